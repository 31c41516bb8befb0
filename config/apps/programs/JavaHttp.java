import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Arrays;
import java.util.concurrent.Executors;

/** An HTTP server that answers with what it got, and a client: serve|drive PORT. */
public class JavaHttp {
	public static void main(String[] arguments) throws Exception {
		int port = Integer.parseInt(arguments[1]);
		if (arguments[0].equals("serve")) {
			HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 16);
			server.createContext("/", exchange -> {
				byte[] body = exchange.getRequestBody().readAllBytes();
				exchange.sendResponseHeaders(200, body.length == 0 ? -1 : body.length);
				exchange.getResponseBody().write(body);
				exchange.close();
			});
			server.setExecutor(Executors.newFixedThreadPool(4));
			server.start();
			return;
		}

		HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
		boolean equal = true;
		for (int i = 0; i < 200; i++) {
			equal &= send(client, port, new byte[1 + i * 10]);
		}
		System.out.println("200 replies, equal " + equal);
		System.out.println("large 1000000 " + send(client, port, new byte[1000000]));
	}

	private static boolean send(HttpClient client, int port, byte[] body) throws Exception {
		Arrays.fill(body, (byte) body.length);
		HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/")).POST(HttpRequest.BodyPublishers.ofByteArray(body)).build();
		return Arrays.equals(client.send(request, HttpResponse.BodyHandlers.ofByteArray()).body(), body);
	}
}

// "serve PORT" echoes by one selector; "drive PORT" talks to it by channels, plain sockets and asynchronous channels.
import java.io.DataInputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousSocketChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Random;

public class NioEcho {
	static final int ROUNDS = 300;

	public static void main(String[] args) throws Exception {
		var address = new InetSocketAddress("127.0.0.1", Integer.parseInt(args[1]));
		if (args[0].equals("serve")) {
			serve(address);
		} else {
			drive(address);
		}
	}

	static void serve(InetSocketAddress address) throws Exception {
		var selector = Selector.open();
		var listener = ServerSocketChannel.open();
		listener.bind(address).configureBlocking(false);
		listener.register(selector, SelectionKey.OP_ACCEPT);
		while (true) {
			selector.select();
			for (var keys = selector.selectedKeys().iterator(); keys.hasNext();) {
				var key = keys.next();
				keys.remove();
				if (key.isAcceptable()) {
					var channel = listener.accept();
					channel.configureBlocking(false);
					channel.register(selector, SelectionKey.OP_READ, ByteBuffer.allocateDirect(65536));
				} else {
					echo(key);
				}
			}
		}
	}

	static void echo(SelectionKey key) throws Exception {
		var channel = (SocketChannel) key.channel();
		var buffer = (ByteBuffer) key.attachment();
		if (key.isReadable() && channel.read(buffer) < 0) {
			channel.close();
			return;
		}
		buffer.flip();
		channel.write(buffer);
		// What does not fit now waits for the selector to say that it does; meanwhile there may be room for more.
		boolean hasMore = buffer.hasRemaining();
		buffer.compact();
		key.interestOps((hasMore ? SelectionKey.OP_WRITE : 0) | (buffer.hasRemaining() ? SelectionKey.OP_READ : 0));
	}

	static void drive(InetSocketAddress address) throws Exception {
		var sums = new String[9];
		var threads = new Thread[sums.length];
		for (int i = 0; i < sums.length; i++) {
			int index = i;
			threads[i] = new Thread(() -> {
				try {
					sums[index] = switch (index % 3) {
						case 0 -> byChannel(address, index);
						case 1 -> bySocket(address, index);
						default -> byAsynchronousChannel(address, index);
					};
				} catch (Exception e) {
					sums[index] = e.toString();
				}
			});
			threads[i].start();
		}
		for (var thread : threads) {
			thread.join();
		}
		for (var sum : sums) {
			System.out.println(sum);
		}
	}

	static byte[] message(Random random) {
		var bytes = new byte[1 + random.nextInt(random.nextInt(10) == 0 ? 60000 : 2000)];
		random.nextBytes(bytes);
		return bytes;
	}

	static String finish(MessageDigest digest) {
		return HexFormat.of().formatHex(digest.digest());
	}

	static String byChannel(InetSocketAddress address, int seed) throws Exception {
		var random = new Random(seed);
		var digest = MessageDigest.getInstance("SHA-256");
		try (var channel = SocketChannel.open(address)) {
			for (int i = 0; i < ROUNDS; i++) {
				var bytes = message(random);
				// Two buffers: a gathering write.
				var parts = new ByteBuffer[] { ByteBuffer.wrap(bytes, 0, bytes.length / 2), ByteBuffer.wrap(bytes, bytes.length / 2, bytes.length - bytes.length / 2) };
				while (parts[1].hasRemaining()) {
					channel.write(parts);
				}
				var back = ByteBuffer.allocateDirect(bytes.length);
				while (back.hasRemaining() && channel.read(back) >= 0) {
				}
				back.flip();
				digest.update(back);
			}
		}
		return finish(digest);
	}

	static String bySocket(InetSocketAddress address, int seed) throws Exception {
		var random = new Random(seed);
		var digest = MessageDigest.getInstance("SHA-256");
		try (var socket = new Socket(address.getAddress(), address.getPort())) {
			socket.setSoTimeout(30000);
			socket.setTcpNoDelay(true);
			var input = new DataInputStream(socket.getInputStream());
			for (int i = 0; i < ROUNDS; i++) {
				var bytes = message(random);
				socket.getOutputStream().write(bytes);
				var back = new byte[bytes.length];
				input.readFully(back);
				if (!Arrays.equals(bytes, back)) {
					throw new IllegalStateException("round " + i + " differs");
				}
				digest.update(back);
			}
			socket.shutdownOutput();
			digest.update((byte) input.read());
		}
		return finish(digest);
	}

	static String byAsynchronousChannel(InetSocketAddress address, int seed) throws Exception {
		var random = new Random(seed);
		var digest = MessageDigest.getInstance("SHA-256");
		try (var channel = AsynchronousSocketChannel.open()) {
			channel.connect(address).get();
			for (int i = 0; i < ROUNDS; i++) {
				var bytes = ByteBuffer.wrap(message(random));
				var back = ByteBuffer.allocate(bytes.remaining());
				while (bytes.hasRemaining()) {
					channel.write(bytes).get();
				}
				while (back.hasRemaining() && channel.read(back).get() >= 0) {
				}
				digest.update(back.flip());
			}
		}
		return finish(digest);
	}
}

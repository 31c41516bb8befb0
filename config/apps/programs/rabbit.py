"""Messages through queues of a RabbitMQ broker: rabbit.py PORT"""
import hashlib
import sys

import pika

connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", int(sys.argv[1])))
channel = connection.channel()
channel.queue_declare("numbers")
channel.confirm_delivery()
digest = hashlib.sha256()
for number in range(500):
    channel.basic_publish("", "numbers", str(number).encode() * (number % 300))
received = 0
for method, _, body in channel.consume("numbers"):
    channel.basic_ack(method.delivery_tag)
    digest.update(body)
    received += 1
    if received == 500:
        break
channel.cancel()
channel.basic_publish("", "numbers", bytes(3_000_000))
_, _, body = channel.basic_get("numbers", auto_ack=True)
print(f"{received} messages {digest.hexdigest()[:16]}, a large one of {len(body)} bytes")
connection.close()

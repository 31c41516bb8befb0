"""Sends mail over one SMTP connection and over several."""

import smtplib
import sys

accepted = 0
for connection in range(2):
    with smtplib.SMTP("127.0.0.1", int(sys.argv[1]), timeout=30) as smtp:
        for number in range(10):
            text = f"Subject: {number}\r\n\r\n" + "some text in a line\r\n" * (number * 200)
            accepted += smtp.sendmail("a@localhost", ["b@localhost"], text) == {}
print(accepted, "accepted")

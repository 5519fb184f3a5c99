#!/usr/bin/env python3
"""Measures a path between two hosts: round-trip time, TCP throughput and loss, with sockets only.

It is run by network.sh before every scenario, one side in each of two network namespaces; it says nothing about training.

    probe.py serve ADDRESS PORT            answers until it is ended; prints "ready"
    probe.py measure ADDRESS PORT [...]    prints a line of JSON

Round-trip times are those of small datagrams that the other side sends back, one at a time; loss is counted on `--packets` such
datagrams sent without waiting. Throughput counts the payload of one TCP connection from the first byte's arrival to the last's,
as the receiver's clock sees it.
"""
import argparse
import json
import socket
import struct
import sys
import threading
import time


def serve_datagrams(address, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        s.bind((address, port))
        print("ready", flush=True)
        while True:
            data, peer = s.recvfrom(2048)
            s.sendto(data, peer)


def serve_stream(address, port):
    """Receives to the end of each connection and answers with the bytes and the seconds that they took."""
    with socket.create_server((address, port)) as server:
        while True:
            connection, _ = server.accept()
            with connection:
                buffer = bytearray(1 << 20)
                count, first, n = 0, None, 1
                while n:
                    n = connection.recv_into(buffer)
                    last = time.monotonic()
                    if first is None:
                        first, count = last, -n  # the first bytes start the clock and are not counted
                    count += n if n else 0
                connection.sendall(struct.pack("!qd", count, last - first))


def round_trips(address, port, count, interval):
    times = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(2)
        s.connect((address, port))
        for k in range(count):
            start = time.monotonic()
            s.send(struct.pack("!i", k))
            try:
                while struct.unpack("!i", s.recv(64))[0] != k:
                    pass
                times.append(1000 * (time.monotonic() - start))
            except socket.timeout:
                pass
            time.sleep(interval)
    return times


def lost_packets(address, port, count, wait):
    """How many of `count` datagrams did not come back, out of both directions."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        s.connect((address, port))
        seen = set()

        def receive():
            s.settimeout(wait)
            try:
                while len(seen) < count:
                    seen.add(s.recv(64))
            except socket.timeout:
                pass

        receiver = threading.Thread(target=receive)
        receiver.start()
        for k in range(count):
            s.send(struct.pack("!i", k))
            time.sleep(0.0005)
        receiver.join()
    return count - len(seen)


def throughput(address, port, seconds):
    """Mbit/s of payload."""
    with socket.create_connection((address, port), timeout=20) as s:
        data = bytes(1 << 18)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        answer = b""
        while len(answer) < 16:
            part = s.recv(16 - len(answer))
            if not part:
                sys.exit("probe: the other side closed the connection")
            answer += part
    count, took = struct.unpack("!qd", answer)
    return 8e-6 * count / took


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("role", choices=["serve", "measure"])
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--pings", type=int, default=20)
    parser.add_argument("--packets", type=int, default=0, help="datagrams to count losses on")
    parser.add_argument("--seconds", type=float, default=2, help="of the throughput measurement; 0: none")
    a = parser.parse_args()
    if a.role == "serve":
        threading.Thread(target=serve_stream, args=(a.address, a.port), daemon=True).start()
        serve_datagrams(a.address, a.port)
    times = sorted(round_trips(a.address, a.port, a.pings, 0.01))
    if not times:
        sys.exit("probe: no answer from " + a.address)
    result = {"rtt_ms_min": times[0], "rtt_ms_median": times[len(times) // 2], "rtt_ms_max": times[-1]}
    if a.packets:
        result["packets"] = a.packets
        result["lost"] = lost_packets(a.address, a.port, a.packets, 1)
    if a.seconds:
        result["mbit"] = throughput(a.address, a.port, a.seconds)
    print(json.dumps({k: round(v, 3) for k, v in result.items()}))


if __name__ == "__main__":
    main()

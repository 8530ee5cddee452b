"""Ways out that are not HTTP."""

import asyncio
import os
import socket
import subprocess
import threading


async def attempt(trick, host="127.0.0.1", port="80"):
    """What came of it, or the error."""
    try:
        result = TRICKS[trick](host, int(port))
        return await result if asyncio.iscoroutine(result) else result
    except BaseException as error:
        return {"error": type(error).__name__, "text": str(error)}


def by_socket(host, port):
    with socket.create_connection((host, port), timeout=5) as connection:
        return connection.recv(100).decode()


def by_connect_ex(host, port):
    with socket.socket() as one:
        return one.connect_ex((host, port))


async def by_streams(host, port):
    reader, writer = await asyncio.open_connection(host, port)
    said = await reader.read()
    writer.close()
    return said.decode()


async def by_protocol(host, port):
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, host, port)
    transport.close()
    return "connected"


def by_udp(host, port):
    with socket.socket(type=socket.SOCK_DGRAM) as one:
        return one.sendto(b"x", (host, port))


def by_name(host, port):
    return socket.getaddrinfo(host, port)[0][4][0]


async def by_name_later(host, port):
    return (await asyncio.get_running_loop().getaddrinfo(host, port))[0][4][0]


def by_thread(host, port):
    outcome = []

    def work():
        try:
            outcome.append(by_socket(host, port))
        except Exception as error:
            outcome.append({"error": type(error).__name__, "text": str(error)})

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return outcome[0]


def by_mail(host, port):
    import smtplib

    smtplib.SMTP(host, port, timeout=5)


def by_multiprocessing(host, port):
    import multiprocessing

    process = multiprocessing.get_context("spawn").Process(target=print)
    process.start()
    process.join()
    return process.exitcode


TRICKS = {
    "socket": by_socket,
    "connect_ex": by_connect_ex,
    "streams": by_streams,
    "protocol": by_protocol,
    "udp": by_udp,
    "name": by_name,
    "name-later": by_name_later,
    "thread": by_thread,
    "mail": by_mail,
    "curl": lambda host, port: subprocess.run(["curl", f"http://{host}:{port}"], check=True).returncode,
    "system": lambda host, port: os.system(f"curl http://{host}:{port}"),
    "spawn": lambda host, port: os.posix_spawn("/bin/true", ["true"], {}),
    "fork": lambda host, port: os.fork(),
    "multiprocessing": by_multiprocessing,
    "child": lambda host, port: asyncio.create_subprocess_exec("curl", f"http://{host}:{port}"),
}

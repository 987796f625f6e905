#!/usr/bin/env python3
"""TLS on sockets: certificates that are right, wrong and missing, at both ends; keys and anonymous with the stock client.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import time

QEMU, QEMU_NBD = os.environ["QEMU_SYSTEM"], os.environ["QEMU_NBD"]
STOCK_IO = os.environ.get("STOCK_QEMU_IO", "")
if not shutil.which("openssl"):
    print("openssl is not installed")
    sys.exit(77)
os.chdir(os.environ["TEST_DIR"])
failures = []


def check(what, condition, seen=""):
    if not condition:
        failures.append(what)
        print(f"failed: {what} {seen!r}")


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_pki(folder):
    """A CA, and keys and certificates of a server ("localhost") and a client."""
    os.mkdir(folder)
    path = lambda name: os.path.join(folder, name)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={folder}", "-keyout",
            path("ca-key.pem"), "-out", path("ca-cert.pem"))
    for who, name in (("server", "localhost"), ("client", "friend")):
        with open(path("ext"), "w", encoding="utf-8") as file:
            file.write(f"subjectAltName=DNS:{name}\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", path(f"{who}-key.pem"),
                "-out", path("csr"))
        openssl("x509", "-req", "-in", path("csr"), "-CA", path("ca-cert.pem"), "-CAkey", path("ca-key.pem"),
                "-CAcreateserial", "-days", "2", "-extfile", path("ext"), "-out", path(f"{who}-cert.pem"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(*options):
    return subprocess.Popen([QEMU, "-machine", "none", "-display", "none", "-nodefaults", *options],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def connect(port):
    for _ in range(400):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=5)
        except OSError:
            time.sleep(0.05)
    sys.exit("nobody listens")


def greeting(stream):
    seen = b""
    while b"(qemu) " not in seen:
        piece = stream.recv(4096)
        if not piece:
            return seen
        seen += piece
    return seen


def client_context(certificates):
    context = ssl.create_default_context(cafile="pki/ca-cert.pem")
    if certificates:
        context.load_cert_chain(f"{certificates}/client-cert.pem", f"{certificates}/client-key.pem")
    return context


def try_client(port, certificates):
    """The greeting that a client with these certificates gets; b"" when it is not let in."""
    raw = connect(port)
    try:
        with client_context(certificates).wrap_socket(raw, server_hostname="localhost") as stream:
            return greeting(stream)
    except (ssl.SSLError, OSError):
        return b""


def test_server():
    port = free_port()
    emulator = start("-object", "tls-creds-x509,id=t,dir=pki,endpoint=server", "-chardev",
                     f"socket,id=c,host=127.0.0.1,port={port},server=on,wait=off,tls-creds=t", "-mon", "c")
    check("a client with our CA's certificate is let in", b"monitor" in try_client(port, "pki"))
    check("without a certificate not", try_client(port, None) == b"")
    check("with another CA's not", try_client(port, "other") == b"")
    raw = connect(port)
    raw.sendall(b"help\n" * 100)
    raw.close()
    check("and then one is let in again", b"monitor" in try_client(port, "pki"))
    emulator.kill()
    emulator.wait()


def test_authorisation():
    rule = {"match": "CN=f*", "policy": "allow", "format": "glob"}
    pathlib.Path("rules").write_text(json.dumps({"policy": "allow", "rules": [{"match": "CN=friend", "policy": "deny"}]}))
    for name, authz, wanted in (
            ("simple", "authz-simple,id=a,identity=CN=friend", True), ("simple foe", "authz-simple,id=a,identity=CN=foe", False),
            ("list", {"qom-type": "authz-list", "id": "a", "rules": [rule]}, True),
            ("list first", {"qom-type": "authz-list", "id": "a", "rules": [{"match": "CN=friend", "policy": "deny"}, rule]}, False),
            ("list default", {"qom-type": "authz-list", "id": "a"}, False),
            ("list policy", {"qom-type": "authz-list", "id": "a", "policy": "allow"}, True),
            ("file", "authz-list-file,id=a,filename=rules", False)):
        port = free_port()
        emulator = start("-object", "tls-creds-x509,id=t,dir=pki,endpoint=server", "-object",
                         authz if isinstance(authz, str) else json.dumps(authz), "-chardev",
                         f"socket,id=c,host=127.0.0.1,port={port},server=on,wait=off,tls-creds=t,tls-authz=a",
                         "-mon", "c")
        check(f"authz {name}", (b"monitor" in try_client(port, "pki")) == wanted)
        if name == "file":                 # it is read again when it has changed
            pathlib.Path("rules").write_text(json.dumps({"rules": [rule]}))
            check("authz file, changed", b"monitor" in try_client(port, "pki"))
            pathlib.Path("rules").write_text("{")
            check("authz file, broken", b"monitor" not in try_client(port, "pki"))
        emulator.kill()
        emulator.wait()


def serve(certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{certificates}/server-cert.pem", f"{certificates}/server-key.pem")
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    return context, listener


def test_client():
    for host, certificates, message in (("localhost", "pki", None),
                                        ("127.0.0.1", "pki", b"does not match the hostname"),
                                        ("localhost", "other", b"hasn't got a known issuer")):
        context, listener = serve(certificates)
        emulator = start("-object", "tls-creds-x509,id=t,dir=pki,endpoint=client", "-chardev",
                         f"socket,id=c,host={host},port={listener.getsockname()[1]},ipv4=on,tls-creds=t", "-mon", "c")
        raw, _ = listener.accept()
        raw.settimeout(60)
        try:
            with context.wrap_socket(raw, server_side=True) as stream:
                if not message:
                    check("a monitor as client", b"monitor" in greeting(stream))
                    stream.sendall(b"quit\n")
                    check("quit", emulator.wait(60) == 0)
                else:
                    stream.recv(10)
        except (ssl.SSLError, OSError):
            check("a session", message)
        listener.close()
        if message:
            check(f"{host}, {certificates}", message in emulator.communicate(timeout=20)[0])
        emulator.kill()
        emulator.wait()


def test_nbd_with_keys():
    if not STOCK_IO:
        return
    os.mkdir("psk")
    with open("psk/keys.psk", "w", encoding="utf-8") as file:
        file.write("qemu:0123456789abcdef0123456789abcdef\n")
    subprocess.run([os.environ["QEMU_IMG"], "create", "-q", "-f", "raw", "disk", "4M"], check=True)
    for kind, folder in (("tls-creds-psk", "dir=psk,"), ("tls-creds-anon", "")):
        port = free_port()
        server = subprocess.Popen([QEMU_NBD, "-t", "-f", "raw", "-x", "", "-b", "127.0.0.1", "-p", str(port),
                                   "--object", f"{kind},id=t,{folder}endpoint=server", "--tls-creds", "t", "disk"])
        connect(port).close()
        target = f"driver=nbd,host=127.0.0.1,port={port}"
        plain = subprocess.run([STOCK_IO, "--image-opts", "-c", "read 0 1M", target], capture_output=True, check=False)
        check("without TLS nobody is served", b"TLS" in plain.stderr, plain.stderr)
        secure = subprocess.run([STOCK_IO, "--object", f"{kind},id=t,{folder}endpoint=client", "--image-opts", "-c",
                                 "write -P 7 0 3M", "-c", "read -P 7 0 3M", target + ",tls-creds=t"],
                                capture_output=True, check=False)
        check(f"{kind}: the stock client writes and reads", secure.returncode == 0 and b"ailed" not in secure.stdout,
              secure.stdout + secure.stderr)
        server.terminate()
        server.wait()


make_pki("pki")
make_pki("other")
for name, function in list(globals().items()):
    if name.startswith("test_"):
        function()
print(f"{len(failures)} failures")
sys.exit(1 if failures else 0)

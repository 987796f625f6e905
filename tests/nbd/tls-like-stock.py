#!/usr/bin/env python3
"""TLS of qemu-nbd and of the NBD driver beside stock: `--list`, certificates right, wrong and nameless, keys, who is let in, objects.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import shutil
import subprocess
import sys
import time

NAMES = ("QEMU_NBD", "QEMU_IMG", "QEMU_IO")
STOCK, OURS = ([os.environ.get(prefix + name, "") for name in NAMES] for prefix in ("STOCK_", ""))
SERVER = "tls-creds-x509,id=t,endpoint=server,dir=x,verify-peer=on"
CLIENT = "tls-creds-x509,id=c,endpoint=client,dir=x"
OBJECTS = ["help", "iothread,help", "authz-list,help", "authz-list-file,help", "authz-simple,help", "tls-creds-psk,help", "tls-creds-anon,help",
           "secret,help", "iothread,id=i", "nope,id=x", "secret", "id=x", "secret,id=s,data=x,foo=1", '{"qom-type":"x', "secret,id=1,data=x",
           "authz-simple,id=a", "authz-simple,id=a,identity=x", "authz-list,id=a,policy=bad", "tls-creds-anon,id=x,endpoint=bad",
           '{"qom-type":"authz-list","id":"a","rules":[{"match":"x","policy":"deny"}]}', "secret,id=s,data=x,format=bad"]
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
bad = 0


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_pki(folder):
    os.mkdir(folder)
    path = lambda name: os.path.join(folder, name)
    openssl("req", "-x509", *NEW_KEY, "-nodes", "-days", "2", "-subj", f"/CN={folder}", "-keyout", path("ca-key.pem"),
            "-out", path("ca-cert.pem"))
    openssl("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out", path("dh-params.pem"))    # else stock makes some
    for who, name in (("server", "localhost"), ("client", "friend")):
        with open(path("ext"), "w", encoding="utf-8") as file:
            file.write(f"subjectAltName=DNS:{name}\n")
        openssl("req", *NEW_KEY, "-nodes", "-subj", f"/CN={name}", "-keyout", path(f"{who}-key.pem"), "-out", path("csr"))
        openssl("x509", "-req", "-in", path("csr"), "-CA", path("ca-cert.pem"), "-CAkey", path("ca-key.pem"), "-CAcreateserial",
                "-days", "2", "-extfile", path("ext"), "-out", path(f"{who}-cert.pem"))


class Server:
    def __init__(self, program, *options):
        self.path = os.path.abspath("s")
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.process = subprocess.Popen([program, "-t", "-k", self.path, "-f", "raw", "-x", "e", *options, "d"], stderr=subprocess.DEVNULL)
        while not os.path.exists(self.path) and self.process.poll() is None:
            time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.process.terminate()
        self.process.wait(60)


def run(programs, which, *arguments):
    result = subprocess.run([programs[which], *arguments], capture_output=True, text=True, timeout=120, check=False)
    text = result.stdout + result.stderr
    return result.returncode, "".join(line for line in text.replace(os.path.dirname(programs[0]) + "/", "").splitlines(True) if " ops" not in line)


def same(what, stock, ours):
    global bad
    if stock != ours:
        bad += 1
        print(f"{what}:\n  stock {stock}\n  ours  {ours}")


def both(which, *arguments):
    """The two clients on the server that runs."""
    same(" ".join(arguments), run(STOCK, which, *arguments), run(OURS, which, *arguments))


def lists(path):
    tls = ("--object", CLIENT, "--tls-creds", "c")
    both(0, "-L", "-k", path)
    for more in ((), ("--tls-hostname", "localhost"), ("--tls-hostname", "other"), ("--tls-authz", "x")):
        both(0, "-L", "-k", path, *tls, *more)
    for creds in (CLIENT.replace("=x", "=y"), CLIENT.replace("client", "server"), "tls-creds-anon,id=c,endpoint=client", "secret,id=c,data=x"):
        both(0, "-L", "-k", path, "--object", creds, "--tls-creds", "c", "--tls-hostname", "localhost")
    both(0, "-L", "-k", path, "--tls-creds", "nope")


def images(path):
    node = f"driver=nbd,server.type=unix,server.path={path},export=e"
    both(1, "info", f"nbd+unix:///e?socket={path}")
    for creds, more in ((CLIENT, ",tls-creds=c,tls-hostname=localhost"), (CLIENT, ",tls-creds=c"), (CLIENT, ",tls-creds=c,tls-hostname=foo"),
                        (CLIENT, ",tls-creds=nope"), (CLIENT, ",tls-hostname=localhost"), (CLIENT + ",verify-peer=off", ",tls-creds=c"),
                        ("secret,id=c,data=x", ",tls-creds=c"), (CLIENT.replace("client", "server"), ",tls-creds=c"),
                        ("tls-creds-anon,id=c,endpoint=client", ",tls-creds=c")):
        both(1, "info", "--object", creds, "--image-opts", node + more)
    both(2, "--object", CLIENT, "--image-opts", node + ",tls-creds=c,tls-hostname=localhost", "-c", "write -P 7 0 1M", "-c", "read -P 7 0 1M",
         "-c", "flush", "-c", "map", "-c", "truncate 2M")


def who_is_let_in():
    """The same client on each server: what it sees."""
    node = f"driver=nbd,server.type=unix,server.path={os.path.abspath('s')},export=e,tls-creds=c,tls-hostname=localhost"
    for rule in ("authz-simple,id=a,identity=CN=friend", "authz-simple,id=a,identity=CN=foe",
                 "authz-list,id=a,policy=deny,rules.0.match=CN=fr*,rules.0.format=glob,rules.0.policy=allow",
                 "authz-list,id=a,policy=allow,rules.0.match=CN=friend,rules.0.policy=deny", "secret,id=a,data=x"):
        seen = []
        for programs in (STOCK, OURS):
            with Server(programs[0], "--object", SERVER, "--tls-creds", "t", "--object", rule, "--tls-authz", "a"):
                seen.append(run(OURS, 1, "info", "--object", CLIENT, "--image-opts", node))
        if seen[0][0] != seen[1][0] or seen[0][0] == 0:       # words of a refusal depend on who is faster
            same(rule, *seen)
        if ("allow" in rule.split("policy=")[-1] or rule.endswith("=CN=friend")) != (seen[1][0] == 0):
            same(rule, "the rule says otherwise", seen[1])


def command_lines():
    for arguments in (("-L", "--tls-hostname", "x"), ("--tls-hostname", "x", "d"), ("-L", "--tls-authz", "x"), ("--tls-authz", "x", "d"),
                      ("--object", SERVER, "--tls-creds", "t", "--tls-hostname", "x", "d"), ("--tls-creds", "nope", "d"),
                      ("--object", CLIENT, "--tls-creds", "c", "d"), ("-L", "-p", "1"), ("-L", "-k", "/nope/s", "--object", CLIENT, "--tls-creds", "c")):
        both(0, *arguments)
    for definition in OBJECTS:
        both(0, "--object", definition, "nofile")


def main():
    if not all(STOCK) or not shutil.which("openssl"):
        print("needs the stock programs and openssl")
        return 77
    os.chdir(os.environ["TEST_DIR"])
    for folder in ("x", "y"):
        make_pki(folder)
    subprocess.run([STOCK[1], "create", "-q", "-f", "raw", "d", "1M"], check=True)
    for programs in (STOCK, OURS):
        with Server(programs[0], "--object", SERVER, "--tls-creds", "t", "-D", "a disk") as server:
            lists(server.path)
            images(server.path)
        with Server(programs[0]) as server:
            both(0, "-L", "-k", server.path, "--object", CLIENT, "--tls-creds", "c", "--tls-hostname", "localhost")
    who_is_let_in()
    command_lines()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

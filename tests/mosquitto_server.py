"""A private Mosquitto broker for tests: on free ports, in a directory of its own, never the system's.

Three listeners: plain, TLS (certificates made here with openssl; a client certificate is asked for, but not required) and
WebSocket. All ask for a user and a password. Persistence is on, and nothing is dropped for a slow subscriber.
"""

import base64
import hashlib
import json
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from postgres_server import free_port

PROGRAM = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
DYNAMIC_SECURITY = "/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so"


def accepts(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def _openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Certificates:
    """A certificate authority, the broker's certificate for localhost, one for another name, and a client's."""

    def __init__(self, directory):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.ca = directory / "ca.pem"
        self.other_ca = directory / "other-ca.pem"
        for ca in (self.ca, self.other_ca):
            _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 2,
                     "-subj", f"/CN={ca.stem}", "-keyout", ca.with_suffix(".key"), "-out", ca)
        self._issue("broker", "localhost", "DNS:localhost")
        self._issue("elsewhere", "elsewhere.example", "DNS:elsewhere.example")
        self._issue("client", "gateway-7", "DNS:gateway-7")

    def _issue(self, name, subject, alternative):
        request, extensions = self.directory / f"{name}.csr", self.directory / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternative}\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={subject}",
                 "-keyout", self.key(name), "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca.with_suffix(".key"), "-CAcreateserial",
                 "-days", 2, "-extfile", extensions, "-out", self.certificate(name))

    def certificate(self, name):
        return self.directory / f"{name}.pem"

    def key(self, name):
        return self.directory / f"{name}.key"


class MosquittoServer:
    """start, stop, restart, kill -9, freeze (SIGSTOP) and thaw of one broker."""

    USER, PASSWORD = "pipe", "secret"

    def __init__(self, directory, broker_certificate="broker", more=""):
        self.directory = Path(directory).resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port, self.tls_port, self.ws_port = free_port(), free_port(), free_port()
        self.certificates = Certificates(self.directory / "certificates")
        self.process = None
        self.log = self.directory / "log"
        passwords = self.directory / "passwords"
        passwords.touch()
        subprocess.run(["mosquitto_passwd", "-b", passwords, self.USER, self.PASSWORD], check=True, stderr=subprocess.DEVNULL)
        c = self.certificates
        self.config = self.directory / "mosquitto.conf"
        self.config.write_text(
            f"user root\npersistence true\npersistence_location {self.directory}/\nautosave_interval 600\n"
            f"allow_anonymous false\npassword_file {passwords}\nmax_queued_messages 0\nmax_inflight_messages 1000\n"
            f"log_dest file {self.log}\nlog_type error\nlog_type warning\nlog_type notice\nset_tcp_nodelay true\n{more}\n"
            f"listener {self.port} 127.0.0.1\n"
            f"listener {self.tls_port} 127.0.0.1\ncafile {c.ca}\ncertfile {c.certificate(broker_certificate)}\n"
            f"keyfile {c.key(broker_certificate)}\n"
            f"listener {self.ws_port} 127.0.0.1\nprotocol websockets\n")

    @property
    def url(self):
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def tls_url(self):
        return f"mqtts://localhost:{self.tls_port}"

    @property
    def ws_url(self):
        return f"ws://127.0.0.1:{self.ws_port}/mqtt"

    def start(self):
        self.process = subprocess.Popen([PROGRAM, "-c", self.config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not (accepts(self.port) and accepts(self.tls_port)):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"mosquitto does not start: {self.log.read_text() if self.log.exists() else ''}")
            time.sleep(0.02)
        return self

    def stop(self):
        """Orderly: sessions and messages are written to its file."""
        if self.process and self.process.poll() is None:
            self.thaw()
            self.process.terminate()
            self.process.wait(30)

    def restart(self):
        self.stop()
        return self.start()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def guard(self, *topics):
        """Before start: subscriptions to other topics are refused. (An acl_file grants every subscription and withholds the messages.)"""
        salt = b"twelve bytes"
        password = base64.b64encode(hashlib.pbkdf2_hmac("sha512", self.PASSWORD.encode(), salt, 101)).decode()
        login = {"password": password, "salt": base64.b64encode(salt).decode(), "iterations": 101}
        rights = [{"acltype": "subscribePattern", "topic": topic, "allow": True} for topic in topics]
        control = [{"acltype": kind, "topic": "$CONTROL/dynamic-security/#", "allow": True} for kind in ("publishClientSend", "publishClientReceive", "subscribePattern")]
        self.rules = self.directory / "dynamic-security.json"
        self.rules.write_text(json.dumps({
            "clients": [{"username": self.USER, "roles": [{"rolename": "device"}], **login},
                        {"username": "admin", "roles": [{"rolename": "admin"}], **login}],
            "roles": [{"rolename": "device", "acls": rights}, {"rolename": "admin", "acls": control}],
            "defaultACLAccess": {"publishClientSend": True, "publishClientReceive": True, "subscribe": False, "unsubscribe": True}}))
        lines = self.config.read_text().splitlines()
        kept = [line for line in lines if not line.startswith("password_file")]
        self.config.write_text("\n".join([f"plugin {DYNAMIC_SECURITY}", f"plugin_opt_config_file {self.rules}", *kept]) + "\n")
        return self

    def allow(self, topic, allowed=True):
        """Changes what `guard` set, while the broker runs; it disconnects the clients concerned."""
        change = ("addRoleACL", "device", "subscribePattern", topic, "allow") if allowed else (
            "removeRoleACL", "device", "subscribePattern", topic)
        subprocess.run(["mosquitto_ctrl", "-h", "127.0.0.1", "-p", str(self.port), "-u", "admin", "-P", self.PASSWORD, "dynsec", *change],
                       check=True, capture_output=True)

    def remove(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

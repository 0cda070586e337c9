"""A private Apache Kafka broker (KRaft, one node) for tests: on free ports, in a directory of its own.

Listeners: `plain` (everything allowed), `sasl` (SASL PLAIN and SCRAM-SHA-256 without TLS) and `tls` (TLS with a certificate of its own
authority, ca.pem). SASL users have only the rights that allow() gives them.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

from postgres_server import free_port

ROOT = Path(__file__).resolve().parent.parent
CLUSTER = "cGlwZS1wcm9taXNlcy1rYQ"

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAIN://127.0.0.1:{plain},SASL://127.0.0.1:{sasl},TLS://127.0.0.1:{tls},CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=PLAIN:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAIN
controller.listener.names=CONTROLLER
log.dirs={directory}/data
num.partitions=1
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
transaction.abort.timed.out.transaction.cleanup.interval.ms=200
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=400
group.min.session.timeout.ms=1000
log.retention.ms=-1
log.retention.check.interval.ms=500
log.initial.task.delay.ms=500
log.segment.delete.delay.ms=100
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_reader="reader-secret";
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
listener.name.tls.ssl.keystore.type=PEM
listener.name.tls.ssl.keystore.location={directory}/server.pem
"""

LOGGING = """\
log4j.rootLogger=WARN, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d %p %m (%c)%n
"""


def insist(ask, seconds=90):
    """A broker that has just started, or a machine with much to do, has errors that pass: only one that stays is a failure."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except (KafkaException, subprocess.CalledProcessError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def accept(future, *fine):
    """The request may have been carried out by an earlier attempt whose answer was lost."""
    try:
        future.result()
    except KafkaException as failure:
        if failure.args[0].code() not in fine:
            raise


def jars():
    """The directory of Kafka's jars, fetched at the first use."""
    subprocess.run([str(ROOT / "scripts" / "kafka-setup")], check=True)
    return ROOT / "build" / "kafka" / "jars"


class KafkaServer:
    """start, stop, kill -9, restart, freeze (SIGSTOP) and thaw of one broker; topics and rights through the admin client."""

    def __init__(self, directory):
        self.directory = Path(directory).resolve()
        self.process = None
        self._admin = None

    def _port(self, name):
        return int((self.directory / f"port.{name}").read_text())

    @property
    def brokers(self):
        return f"127.0.0.1:{self._port('plain')}"

    @property
    def sasl_brokers(self):
        return f"127.0.0.1:{self._port('sasl')}"

    @property
    def tls_brokers(self):
        return f"127.0.0.1:{self._port('tls')}"

    @property
    def ca(self):
        return self.directory / "ca.pem"

    def _certificates(self):
        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], cwd=self.directory, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        (self.directory / "san").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=pipe-tests")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "san",
                "-out", "server.crt")
        parts = [(self.directory / name).read_text() for name in ("server.key", "server.crt", "ca.pem")]
        (self.directory / "server.pem").write_text("".join(parts))

    def _java(self, main, *arguments):
        return ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", f"-Dlog4j.configuration=file:{self.directory}/log4j",
                "-cp", f"{jars()}/*", main, *arguments]

    def _initialise(self):
        self.directory.mkdir(parents=True)
        ports = {name: free_port() for name in ("plain", "sasl", "tls", "controller")}
        for name, port in ports.items():
            (self.directory / f"port.{name}").write_text(str(port))
        (self.directory / "properties").write_text(PROPERTIES.format(directory=self.directory, **ports))
        (self.directory / "log4j").write_text(LOGGING)
        self._certificates()
        done = subprocess.run(self._java("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(self.directory / "properties"), "--add-scram",
                                         "SCRAM-SHA-256=[name=writer,password=writer-secret]"),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise RuntimeError(done.stdout)

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the broker ended: {self.log()}")
        try:
            with socket.create_connection(("127.0.0.1", self._port("plain")), 1):
                pass
            return bool(self.admin().list_topics(timeout=2).brokers)
        except Exception:
            return False

    def log(self):
        return (self.directory / "log").read_text()[-3000:]

    def start(self):
        if not self.directory.exists():
            self._initialise()
        with open(self.directory / "log", "a") as log:
            self.process = subprocess.Popen(self._java("kafka.Kafka", str(self.directory / "properties")), stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 90
        while not self._answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"the broker does not answer: {self.log()}")
            time.sleep(0.1)
        return self

    def stop(self):
        self._end(signal.SIGTERM)

    def kill(self):
        self._end(signal.SIGKILL)

    def _end(self, number):
        if self.process and self.process.poll() is None:
            self.thaw()
            self.process.send_signal(number)
            self.process.wait(60)
        self._admin = None

    def restart(self):
        self.stop()
        return self.start()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def remove(self):
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    # ---- topics and rights, by an independent client

    def admin(self):
        if self._admin is None:
            self._admin = AdminClient({"bootstrap.servers": self.brokers, "log_level": 0})
        return self._admin

    def topic(self, name, partitions=1, **config):
        settings = {key.replace("_", "."): str(value) for key, value in config.items()}

        def ask():
            for future in self.admin().create_topics([NewTopic(name, partitions, 1, config=settings)], request_timeout=30).values():
                accept(future, KafkaError.TOPIC_ALREADY_EXISTS)
        insist(ask)
        self._until_known(name, partitions)
        return name

    def _topics(self):
        return insist(lambda: self.admin().list_topics(timeout=10)).topics

    def _until(self, true, what):
        deadline = time.monotonic() + 90
        while not true():
            if time.monotonic() > deadline:
                raise RuntimeError(what)
            time.sleep(0.05)

    def _until_known(self, name, partitions):
        def is_known():
            topic = self._topics().get(name)
            return topic and len(topic.partitions) == partitions and all(p.leader >= 0 for p in topic.partitions.values())
        self._until(is_known, f"topic {name} does not appear")

    def delete_topic(self, name):
        def ask():
            for future in self.admin().delete_topics([name], operation_timeout=30).values():
                accept(future, KafkaError.UNKNOWN_TOPIC_OR_PART)
        insist(ask)
        self._until(lambda: name not in self._topics(), f"topic {name} does not go")

    def add_partitions(self, name, total):
        def ask():
            for future in self.admin().create_partitions([NewPartitions(name, total)]).values():
                accept(future, KafkaError.INVALID_PARTITIONS)
        insist(ask)
        self._until_known(name, total)

    def configure(self, topic, **config):
        settings = {key.replace("_", "."): str(value) for key, value in config.items()}

        def ask():
            for future in self.admin().alter_configs([ConfigResource(ConfigResource.Type.TOPIC, topic, set_config=settings)]).values():
                future.result()
        insist(ask)

    def allow(self, user, resource, name, *operations):
        """resource: "topic" or "group"; operations as kafka-acls has them: Read, Write, Describe …"""
        rights = [word for operation in operations for word in ("--operation", operation)]
        command = self._java("kafka.admin.AclCommand", "--bootstrap-server", self.brokers, "--add", "--allow-principal", f"User:{user}", f"--{resource}", name,
                             *rights)
        insist(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

/*
 * A fast MQTT 3.1.1 publisher: many connections, packets encoded beforehand, one thread.
 *
 *     mqtt_publish_bench HOST PORT QOS MESSAGES [CONNECTIONS [PAYLOAD_BYTES [WINDOW]]]
 *
 * Payloads are JSON objects. With QoS 1 at most WINDOW messages of a connection are under way, and the end is the last
 * PUBACK; with QoS 0 the end is when the server has taken everything and answered a ping on each connection. Prints the
 * seconds, and messages per second.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BURST = 512, HEAD = 3 /* remaining lengths of two bytes */, TOPIC_MAX = 32 };

struct publisher {
    int fd;
    char *burst;     /* BURST packets */
    size_t from, to; /* bytes of it that are to be sent */
    unsigned long left, sent, acknowledged;
    unsigned id_at;     /* of the id in a packet */
    unsigned ack_bytes; /* of a PUBACK that is not whole yet */
    int pinged, done, interest;
};

static int qos, payload_bytes = 200, epoll_fd;
static unsigned long window = 10000;
static size_t packet_bytes;

static void die(const char *what)
{
    fprintf(stderr, "mqtt_publish_bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void encode(struct publisher *p, int number)
{
    char topic[TOPIC_MAX], payload[4096];
    int topic_bytes = snprintf(topic, sizeof(topic), "plant7/line%02d/telemetry", number % 100);
    int n =
        snprintf(payload, sizeof(payload), "{\"device\":\"sensor-%d\",\"temp\":23.75,\"hum\":41.5,\"pad\":\"", number);
    memset(payload + n, 'x', (size_t)(payload_bytes - n - 2));
    memcpy(payload + payload_bytes - 2, "\"}", 2);
    size_t remaining = 2 + (size_t)topic_bytes + (qos ? 2 : 0) + (size_t)payload_bytes;
    packet_bytes = HEAD + remaining;
    p->burst = malloc(BURST * packet_bytes);
    for (int i = 0; i < BURST; i++) {
        char *at = p->burst + (size_t)i * packet_bytes;
        *at++ = (char)(0x30 | qos << 1);
        *at++ = (char)((remaining & 127) | 128);
        *at++ = (char)(remaining >> 7);
        *at++ = 0;
        *at++ = (char)topic_bytes;
        memcpy(at, topic, (size_t)topic_bytes);
        at += topic_bytes;
        p->id_at = (unsigned)(at - p->burst) - (unsigned)((size_t)i * packet_bytes);
        at += qos ? 2 : 0;
        memcpy(at, payload, (size_t)payload_bytes);
    }
}

static void open_publisher(struct publisher *p, const struct sockaddr_in *to, int number)
{
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (p->fd < 0 || connect(p->fd, (const struct sockaddr *)to, sizeof(*to)) != 0)
        die("connect");
    char packet[64] = "\x10\0\0\4MQTT\4\2\0\0\0", answer[4];
    int id_bytes = snprintf(packet + 14, 40, "bench-%d-%d", (int)getpid(), number);
    packet[13] = (char)id_bytes;
    packet[1] = (char)(12 + id_bytes);
    if (write(p->fd, packet, (size_t)(14 + id_bytes)) < 0 || recv(p->fd, answer, 4, MSG_WAITALL) != 4 || answer[3] != 0)
        die("CONNECT was refused");
    int on = 1;
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(p->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = p};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, p->fd, &e);
    p->interest = EPOLLIN | EPOLLOUT;
}

static void want(struct publisher *p, int interest)
{
    if (interest == p->interest)
        return;
    struct epoll_event e = {.events = (uint32_t)interest, .data.ptr = p};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, p->fd, &e);
    p->interest = interest;
}

/* The next packets, as many as the window allows. */
static void refill(struct publisher *p)
{
    unsigned long most = BURST < p->left ? BURST : p->left;
    if (qos && window - (p->sent - p->acknowledged) < most)
        most = window - (p->sent - p->acknowledged);
    p->from = 0;
    p->to = most * packet_bytes;
    for (unsigned long i = 0; qos && i < most; i++) {
        unsigned id = (unsigned)((p->sent + i) % 65535 + 1);
        char *at = p->burst + i * packet_bytes + p->id_at;
        at[0] = (char)(id >> 8);
        at[1] = (char)id;
    }
    p->sent += most;
    p->left -= most;
}

static void push(struct publisher *p)
{
    for (int i = 0; i < 8; i++) {
        if (p->from == p->to)
            refill(p);
        if (p->from == p->to)
            break;
        ssize_t n = send(p->fd, p->burst + p->from, p->to - p->from, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            die("send");
        p->from += (size_t)n;
    }
    if (p->from < p->to)
        return;
    if (!qos && p->left == 0 && !p->pinged) {
        p->pinged = send(p->fd, "\xc0\0", 2, MSG_NOSIGNAL) == 2;
        want(p, EPOLLIN);
    } else if (p->left == 0 || (qos && p->sent - p->acknowledged >= window)) {
        want(p, EPOLLIN);
    }
}

static void pull(struct publisher *p)
{
    static char bytes[256 << 10];
    ssize_t n = recv(p->fd, bytes, sizeof(bytes), 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        die("the server has closed a connection");
    if (!qos) {
        p->done = 1;
        return;
    }
    p->ack_bytes += (unsigned)n;
    p->acknowledged += p->ack_bytes / 4;
    p->ack_bytes %= 4;
    p->done = p->left == 0 && p->acknowledged == p->sent && p->from == p->to;
    if (p->left && p->sent - p->acknowledged < window)
        want(p, EPOLLIN | EPOLLOUT);
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "mqtt_publish_bench HOST PORT QOS MESSAGES [CONNECTIONS [PAYLOAD_BYTES [WINDOW]]]\n");
        return 2;
    }
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    inet_pton(AF_INET, argv[1], &to.sin_addr);
    qos = atoi(argv[3]);
    unsigned long messages = strtoul(argv[4], NULL, 10);
    int count = argc > 5 ? atoi(argv[5]) : 8;
    payload_bytes = argc > 6 ? atoi(argv[6]) : payload_bytes;
    window = argc > 7 ? strtoul(argv[7], NULL, 10) : window;
    if (payload_bytes < 120 || payload_bytes > 4000 || qos > 1) {
        fprintf(stderr, "QoS is 0 or 1, the payload has 120 to 4000 bytes\n");
        return 2;
    }
    epoll_fd = epoll_create1(0);
    struct publisher *all = calloc((size_t)count, sizeof(*all));
    for (int i = 0; i < count; i++) {
        encode(&all[i], i);
        all[i].left = messages / (unsigned)count + ((unsigned)i < messages % (unsigned)count);
        open_publisher(&all[i], &to, i);
    }
    double start = now();
    for (int open = count; open;) {
        struct epoll_event events[64];
        int n = epoll_wait(epoll_fd, events, 64, -1);
        for (int i = 0; i < n; i++) {
            struct publisher *p = events[i].data.ptr;
            if (events[i].events & EPOLLIN)
                pull(p);
            if (p->done) {
                epoll_ctl(epoll_fd, EPOLL_CTL_DEL, p->fd, NULL);
                if (send(p->fd, "\xe0\0", 2, MSG_NOSIGNAL) < 0)
                    die("DISCONNECT");
                close(p->fd);
                open--;
                continue;
            }
            if (events[i].events & EPOLLOUT)
                push(p);
        }
    }
    double seconds = now() - start;
    printf("%.3f %.0f\n", seconds, (double)messages / seconds);
    return 0;
}

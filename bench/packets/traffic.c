/* Traffic between two network namespaces, over IPv4 or IPv6. This process has the sockets of both ends: a socket stays in the namespace in
 * which it was created.
 * usage: traffic SENDER-NETNS RECEIVER-NETNS ADDRESS TARGET MODE PORT MILLISECONDS
 *   The receiver has ADDRESS. The sender sends to TARGET: the same, or a Service in front of it.
 *   udp       small packets, all one way: what conntrack calls new, each of them
 *   answered  the same after one answer: what conntrack calls established
 *             both print packets per second of processor time: on veth the kernel handles a packet up to the receiver's socket
 *             within the sender's call, so this is the whole path
 *   flows     the same as answered, in turn for 10,000 flows, one call for each packet
 *   connect   opens, accepts and resets TCP connections, one at a time; prints how many per second of processor time
 *   bulk      one TCP connection, its ends on the first and the last processor; prints Mbit per second of the clock
 *   stream    one TCP connection, its ends in turn on one processor; prints Mbit per second of processor time
 *   probe     with a forbidden PORT instead of MILLISECONDS: sends to the forbidden port first, then to the other, and prints the number of
 *             packets at each port when those to the other have arrived */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { batch = 64, size = 16, chunk = 1 << 17, patience_ms = 5000 };

static int sender_ns, receiver_ns;
static const char *address, *target;
static cpu_set_t processors;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static double now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void enter(int namespace) {
  if (setns(namespace, CLONE_NEWNET) < 0) fail("setns");
}

static int open_namespace(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(path);
  return fd;
}

static struct addrinfo *resolve(const char *address, const char *port) {
  struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found;
  if (getaddrinfo(address, port, &hints, &found) != 0) exit(2);
  return found;
}

static int open_socket(int namespace, int type, struct addrinfo *to) {
  enter(namespace);
  int fd = socket(to->ai_family, type, 0);
  if (fd < 0) fail("socket");
  struct timeval patience = {patience_ms / 1000, 0};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

static int receiver(int type, const char *port) {
  struct addrinfo *at = resolve(address, port);
  int fd = open_socket(receiver_ns, type, at), on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, at->ai_addr, at->ai_addrlen) < 0) fail("bind");
  if (type == SOCK_STREAM && listen(fd, batch) < 0) fail("listen");
  return fd;
}

static int sender(int type, const char *port) {
  struct addrinfo *to = resolve(target, port);
  int fd = open_socket(sender_ns, type, to);
  if (connect(fd, to->ai_addr, to->ai_addrlen) < 0) fail("connect");
  return fd;
}

/* Pins the thread to the first or last allowed processor. */
static void pin(int last) {
  cpu_set_t one;
  int chosen = -1;
  for (int i = 0; i < CPU_SETSIZE && (last || chosen < 0); i++)
    if (CPU_ISSET(i, &processors)) chosen = i;
  CPU_ZERO(&one);
  CPU_SET(chosen, &one);
  if (sched_setaffinity(0, sizeof one, &one) < 0) fail("sched_setaffinity");
}

static int arrived(int fd) {
  char buffer[size];
  int count = 0;
  while (recv(fd, buffer, sizeof buffer, MSG_DONTWAIT) >= 0) count++;
  return count;
}

static void await(int fd) {
  struct pollfd readable = {fd, POLLIN, 0};
  if (poll(&readable, 1, patience_ms) != 1) {
    fputs("nothing arrives\n", stderr);
    exit(1);
  }
}

static void answer(int to, int from) {
  struct sockaddr_storage whom;
  socklen_t length = sizeof whom;
  char byte = 0;
  if (send(from, &byte, 1, 0) < 0) fail("send");
  await(to);
  if (recvfrom(to, &byte, 1, 0, (void *)&whom, &length) < 0) fail("recvfrom");
  if (sendto(to, &byte, 1, 0, (void *)&whom, length) < 0) fail("sendto");
  await(from);
  arrived(from);
}

static void udp(const char *port, double seconds, int answered) {
  int to = receiver(SOCK_DGRAM, port), from = sender(SOCK_DGRAM, port);
  if (answered) answer(to, from);
  char payload[size] = {0};
  struct iovec data = {payload, size};
  struct mmsghdr messages[batch];
  memset(messages, 0, sizeof messages);
  for (int i = 0; i < batch; i++) messages[i].msg_hdr = (struct msghdr){.msg_iov = &data, .msg_iovlen = 1};
  long sent = 0;
  double used = now(CLOCK_PROCESS_CPUTIME_ID), end = now(CLOCK_MONOTONIC) + seconds;
  while (now(CLOCK_MONOTONIC) < end) {
    int n = sendmmsg(from, messages, batch, 0);
    if (n > 0) sent += n;
  }
  used = now(CLOCK_PROCESS_CPUTIME_ID) - used;
  /* No read during the run, so the socket's queue keeps the first packets. */
  if (arrived(to) == 0) {
    fputs("no packet has arrived\n", stderr);
    exit(1);
  }
  printf("%.0f\n", sent / used);
}

static void flows(const char *port, double seconds) {
  enum { count = 10000 };
  static int from[count];
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) < 0) fail("getrlimit");
  if (files.rlim_max < count + batch) files.rlim_max = count + batch;
  files.rlim_cur = files.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &files) < 0) fail("setrlimit");
  int to = receiver(SOCK_DGRAM, port);
  for (int i = 0; i < count; i++) {
    from[i] = sender(SOCK_DGRAM, port);
    answer(to, from[i]);
  }
  char payload[size] = {0};
  long sent = 0;
  double used = now(CLOCK_PROCESS_CPUTIME_ID), end = now(CLOCK_MONOTONIC) + seconds;
  for (int next = 0; now(CLOCK_MONOTONIC) < end;) {
    for (int i = 0; i < batch; i++, next = (next + 1) % count)
      if (send(from[next], payload, size, 0) > 0) sent++;
  }
  used = now(CLOCK_PROCESS_CPUTIME_ID) - used;
  if (arrived(to) == 0) {
    fputs("no packet has arrived\n", stderr);
    exit(1);
  }
  printf("%.0f\n", sent / used);
}

static void connections(const char *port, double seconds) {
  struct addrinfo *to = resolve(target, port);
  int listener = receiver(SOCK_STREAM, port);
  /* Close with a reset, which leaves no socket in TIME_WAIT. */
  struct linger reset = {1, 0};
  long made = 0;
  enter(sender_ns);
  double used = now(CLOCK_PROCESS_CPUTIME_ID), end = now(CLOCK_MONOTONIC) + seconds;
  while (now(CLOCK_MONOTONIC) < end) {
    int from = socket(to->ai_family, SOCK_STREAM, 0);
    struct timeval patience = {patience_ms / 1000, 0};
    setsockopt(from, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(from, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (connect(from, to->ai_addr, to->ai_addrlen) < 0) fail("connect");
    int accepted = accept(listener, NULL, NULL);
    if (accepted < 0) fail("accept");
    close(from);
    close(accepted);
    made++;
  }
  printf("%.0f\n", made / (now(CLOCK_PROCESS_CPUTIME_ID) - used));
}

struct transfer {
  int fd;
  double rate;
};

/* Discards received data without copying it (MSG_TRUNC). */
static void *drain(void *argument) {
  struct transfer *transfer = argument;
  double first = 0, last = 0, bytes = 0;
  pin(1);
  for (;;) {
    ssize_t n = recv(transfer->fd, NULL, chunk, MSG_TRUNC);
    if (n <= 0) break;
    last = now(CLOCK_MONOTONIC);
    if (first == 0) first = last;
    else bytes += n;
  }
  transfer->rate = bytes == 0 ? 0 : bytes * 8 / 1e6 / (last - first);
  return NULL;
}

static void bulk(const char *port, double seconds) {
  int listener = receiver(SOCK_STREAM, port), from = sender(SOCK_STREAM, port);
  struct transfer transfer = {.fd = accept(listener, NULL, NULL)};
  if (transfer.fd < 0) fail("accept");
  pthread_t thread;
  static char payload[chunk];
  if (pthread_create(&thread, NULL, drain, &transfer) != 0) fail("pthread_create");
  double end = now(CLOCK_MONOTONIC) + seconds;
  while (now(CLOCK_MONOTONIC) < end)
    if (send(from, payload, sizeof payload, 0) < 0) fail("send");
  shutdown(from, SHUT_WR);
  pthread_join(thread, NULL);
  printf("%.1f\n", transfer.rate);
}

static void stream(const char *port, double seconds) {
  int listener = receiver(SOCK_STREAM, port), from = sender(SOCK_STREAM, port), to = accept(listener, NULL, NULL);
  if (to < 0) fail("accept");
  static char payload[chunk];
  double bytes = 0, used = now(CLOCK_PROCESS_CPUTIME_ID), end = now(CLOCK_MONOTONIC) + seconds;
  while (now(CLOCK_MONOTONIC) < end) {
    ssize_t n = send(from, payload, sizeof payload, MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN) fail("send");
    while ((n = recv(to, NULL, chunk, MSG_TRUNC | MSG_DONTWAIT)) > 0) bytes += n;
    if (n < 0 && errno != EAGAIN) fail("recv");
  }
  used = now(CLOCK_PROCESS_CPUTIME_ID) - used;
  printf("%.1f\n", bytes * 8 / 1e6 / used);
}

static void probe(const char *allowed, const char *forbidden) {
  int to = receiver(SOCK_DGRAM, allowed), not_to = receiver(SOCK_DGRAM, forbidden);
  int from = sender(SOCK_DGRAM, allowed), not_from = sender(SOCK_DGRAM, forbidden);
  for (int i = 0; i < batch; i++) {
    char byte = 0;
    send(not_from, &byte, 1, 0);
  }
  char byte = 0;
  if (send(from, &byte, 1, 0) < 0) fail("send");
  await(to);
  printf("%d %d\n", arrived(to), arrived(not_to));
}

int main(int argc, char **argv) {
  if (argc != 8) return 2;
  sender_ns = open_namespace(argv[1]);
  receiver_ns = open_namespace(argv[2]);
  address = argv[3];
  target = argv[4];
  const char *mode = argv[5], *port = argv[6];
  double seconds = atof(argv[7]) / 1e3;
  if (sched_getaffinity(0, sizeof processors, &processors) < 0) fail("sched_getaffinity");
  pin(0);
  if (strcmp(mode, "udp") == 0) udp(port, seconds, 0);
  else if (strcmp(mode, "answered") == 0) udp(port, seconds, 1);
  else if (strcmp(mode, "flows") == 0) flows(port, seconds);
  else if (strcmp(mode, "connect") == 0) connections(port, seconds);
  else if (strcmp(mode, "bulk") == 0) bulk(port, seconds);
  else if (strcmp(mode, "stream") == 0) stream(port, seconds);
  else if (strcmp(mode, "probe") == 0) probe(port, argv[7]);
  else return 2;
  return 0;
}

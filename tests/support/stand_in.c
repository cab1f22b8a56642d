/* Stands in for a gate and a notebook: a static program of two kilobytes of source, so that starts are quick.
 *   stand-in gate       listens on 8888; 200 when 127.0.0.1:8889 accepts, else 503; must be able to read its file;
 *                       counts SIGHUP in the header X-Hups
 *   stand-in notebook   listens on 127.0.0.1:8889
 *   stand-in broken     prints a line and ends with 7
 *   stand-in plain      listens on 8888; always 200
 *   stand-in silent     runs, listens on nothing */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static volatile int hups = 0;
static void hup(int s) { (void)s; hups++; }
static void end(int s) { (void)s; _exit(0); }

static int open_socket(const char *ip, int port, int listening) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, ip, &at.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    int failed = listening ? bind(fd, (void *)&at, sizeof at) || listen(fd, 64) : connect(fd, (void *)&at, sizeof at);
    if (failed) { close(fd); return -1; }
    return fd;
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    signal(SIGTERM, end);
    if (!strcmp(mode, "broken")) { puts("ModuleNotFoundError: No module named 'jupyterlab'"); fflush(stdout); return 7; }
    if (!strcmp(mode, "silent")) for (;;) pause();
    int plain = !strcmp(mode, "plain"), gate = plain || !strcmp(mode, "gate");
    if (gate) {
        struct sigaction act = {.sa_handler = hup, .sa_flags = SA_RESTART};
        sigaction(SIGHUP, &act, NULL);
        if (!plain && open("/etc/hubernate/gate.json", O_RDONLY) < 0) { puts("cannot read gate.json"); fflush(stdout); return 3; }
    }
    int server = open_socket(gate ? "0.0.0.0" : "127.0.0.1", gate ? 8888 : 8889, 1);
    if (server < 0) return 4;
    for (;;) {
        char text[4096];
        int client = accept(server, NULL, NULL);
        if (client < 0) continue;
        if (gate) {
            if (read(client, text, sizeof text) < 0) { close(client); continue; }
            int upstream = plain ? 0 : open_socket("127.0.0.1", 8889, 0);
            if (upstream > 0) close(upstream);
            int n = snprintf(text, sizeof text,
                "HTTP/1.1 %s\r\nX-Hups: %d\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
                upstream >= 0 ? "200 OK" : "503 Service Unavailable", hups);
            if (write(client, text, n) < 0) { close(client); continue; }
        }
        close(client);
    }
}

/* Maps the file of its argument shared and writable, writes "zero" through the mapping, and "last" at SIGUSR1. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char *page;
static void last(int s) { (void)s; memcpy(page, "last\n", 5); }

int main(int argc, char **argv) {
    int file = argc > 1 ? open(argv[1], O_RDWR | O_CREAT, 0644) : -1;
    if (file < 0 || ftruncate(file, 5)) return 1;
    page = mmap(NULL, 5, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (page == MAP_FAILED) return 2;
    signal(SIGUSR1, last);
    memcpy(page, "zero\n", 5);
    for (;;) pause();
}

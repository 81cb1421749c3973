
/* Files of the host by semihosting: inputs and outputs of a run. */
enum { OPEN = 1, WRITE = 5, READ = 6 };

int kolam_read(void *to, uint32_t size);
void kolam_write(const void *from, uint32_t size);

/* numbers of the host, 0 before a file is open: QEMU counts from 1 */
static uint32_t files[2];

static uint32_t file(uint32_t number) {
    static const char *const names[2] = {"/dev/stdin", "/dev/stdout"};
    if (files[number] == 0) {
        const uint32_t name = (uint32_t)(uintptr_t)names[number];
        const uint32_t block[3] = {name, number ? 5u : 1u, number ? 11u : 10u};
        files[number] = (uint32_t)ask(OPEN, block);
    }
    return files[number];
}

int kolam_read(void *to, uint32_t size) {
    unsigned char *place = to;
    while (size > 0) {
        const uint32_t block[3] = {file(0), (uint32_t)(uintptr_t)place, size};
        const int32_t left = ask(READ, block);
        if (left < 0 || (uint32_t)left >= size) {
            return 0;
        }
        place += size - (uint32_t)left;
        size = (uint32_t)left;
    }
    return 1;
}

void kolam_write(const void *from, uint32_t size) {
    const unsigned char *place = from;
    while (size > 0) {
        const uint32_t block[3] = {file(1), (uint32_t)(uintptr_t)place, size};
        const int32_t left = ask(WRITE, block);
        if (left < 0 || (uint32_t)left >= size) {
            end(1);
        }
        place += size - (uint32_t)left;
        size = (uint32_t)left;
    }
}

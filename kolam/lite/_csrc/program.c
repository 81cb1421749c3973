
/* Rounds: a byte that starts one, the inputs; back go the outputs. Ends with its input. */
int kolam_read(void *to, uint32_t size);
void kolam_write(const void *from, uint32_t size);
int main(void);
int main(void) {
    unsigned char begin;
    while (kolam_read(&begin, 1)) {
@READS@
        @CALL@
@WRITES@
    }
    return 0;
}

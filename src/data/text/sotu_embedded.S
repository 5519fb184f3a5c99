/* Puts data/sotu/sotu.txt.xz into the library between two symbols, as read-only data. SOTU_FILE is set by CMakeLists.txt. */
    .section .rodata, "a"
    .global tacet_sotu_begin
    .global tacet_sotu_end
    .balign 16
tacet_sotu_begin:
    .incbin SOTU_FILE
tacet_sotu_end:
    .byte 0

    .section .note.GNU-stack, "", %progbits

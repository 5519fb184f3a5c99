// TACET_MULTIVERSION before a function: the compiler makes one version of it for each instruction set and the loader picks,
// so the binary stays portable. A plain function elsewhere, and under sanitizers, which the loader's choice confuses.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define TACET_MULTIVERSION __attribute__((target_clones("avx512f", "avx2,fma", "default")))
#else
#define TACET_MULTIVERSION
#endif

/* UR_CLONES before a function: compiled for three levels of x86-64, of which the program's loader takes the widest that
   the machine has (glibc's ifunc). GCC knows the levels by these names from version 12 on; elsewhere it is compiled once. */

#ifndef UR_CLONES_H
#define UR_CLONES_H

#include <stdint.h> /* defines __GLIBC__ where there is one */

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && __GNUC__ >= 12 && !defined(__clang__)
#define UR_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define UR_CLONES
#endif

#endif

/*
 * The models of processors, each version as a difference to the one before.
 *
 * Facts about hardware and about which of it can be had without hardware help; no code.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/i386/cpu-models.h"

const CpuModel cpu_models[] = {
    { .name = "max", .vendor = "AuthenticAMD", .family = 15, .model = 107, .stepping = 1, .level = 0xd,
      .xlevel = 0x8000000a,
      .model_id = "QEMU TCG CPU version 2.5+",
      .help = "Enables all features supported by the accelerator in the current host",
      .features = "3dnow 3dnowext abm acpi adx aes apic arat avx avx2 bmi1 bmi2 clflush clflushopt clwb cmov "
          "cr8legacy cx16 cx8 de erms f16c fma fpu fsgsbase fxsr hypervisor la57 lahf-lm lm mca mce mmx "
          "mmxext monitor movbe mpx msr mtrr npt nx pae pat pclmulqdq pcommit pdpe1gb pge pks pku pni "
          "popcnt pse pse36 rdrand rdtscp sep smap smep ss sse sse2 sse4.1 sse4.2 sse4a ssse3 svm "
          "svme-addr-chk syscall tsc umip vaes vgif xgetbv1 xsave xsaveopt",
    },
    { .name = "host", .vendor = "AuthenticAMD", .family = 15, .model = 107, .stepping = 1, .level = 0xd,
      .xlevel = 0x8000000a,
      .model_id = "QEMU TCG CPU version 2.5+",
      .help = "processor with all supported host features ",
      .features = "3dnow 3dnowext abm acpi adx aes apic arat avx avx2 bmi1 bmi2 clflush clflushopt clwb cmov "
          "cr8legacy cx16 cx8 de erms f16c fma fpu fsgsbase fxsr hypervisor la57 lahf-lm lm mca mce mmx "
          "mmxext monitor movbe mpx msr mtrr npt nx pae pat pclmulqdq pcommit pdpe1gb pge pks pku pni "
          "popcnt pse pse36 rdrand rdtscp sep smap smep ss sse sse2 sse4.1 sse4.2 sse4a ssse3 svm "
          "svme-addr-chk syscall tsc umip vaes vgif xgetbv1 xsave xsaveopt",
      .unavailable = "kvm",
    },
    { .name = "base", .family = 0, .model = 0, .stepping = 0, .level = 0x0, .xlevel = 0x0,
      .help = "base CPU model type with no features enabled",
    },
    { .name = "qemu64-v1", .vendor = "AuthenticAMD", .family = 15, .model = 107, .stepping = 1, .level = 0xd,
      .xlevel = 0x8000000a,
      .model_id = "QEMU Virtual CPU version 2.5+",
      .features = "apic clflush cmov cx16 cx8 de fpu fxsr hypervisor lahf-lm lm mca mce mmx msr mtrr nx pae pat pge "
          "pni pse pse36 sep sse sse2 svm syscall tsc",
    },
    { .name = "qemu32-v1", .vendor = "GenuineIntel", .family = 6, .model = 6, .stepping = 3, .level = 0x4,
      .xlevel = 0x80000004,
      .model_id = "QEMU Virtual CPU version 2.5+",
      .features = "apic cmov cx8 de fpu fxsr hypervisor mce mmx msr pae pat pge pni pse sep sse sse2 tsc",
    },
    { .name = "phenom-v1", .vendor = "AuthenticAMD", .family = 16, .model = 2, .stepping = 3, .level = 0x5,
      .xlevel = 0x8000001a,
      .model_id = "AMD Phenom(tm) 9550 Quad-Core Processor",
      .features = "3dnow 3dnowext abm apic clflush cmov cx16 cx8 de fpu fxsr fxsr-opt hypervisor lahf-lm lm mca mce "
          "mmx mmxext monitor msr mtrr npt nx pae pat pdpe1gb pge pni popcnt pse pse36 rdtscp sep sse sse2 "
          "sse4a svm syscall tsc",
      .unavailable = "fxsr-opt",
    },
    { .name = "pentium3-v1", .vendor = "GenuineIntel", .family = 6, .model = 7, .stepping = 3, .level = 0x3,
      .xlevel = 0x0,
      .features = "apic cmov cx8 de fpu fxsr hypervisor mca mce mmx msr mtrr pae pat pge pse pse36 sep sse tsc",
    },
    { .name = "pentium2-v1", .vendor = "GenuineIntel", .family = 6, .model = 5, .stepping = 2, .level = 0x2,
      .xlevel = 0x0,
      .features = "apic cmov cx8 de fpu fxsr hypervisor mca mce mmx msr mtrr pae pat pge pse pse36 sep tsc",
    },
    { .name = "pentium-v1", .vendor = "GenuineIntel", .family = 5, .model = 4, .stepping = 3, .level = 0x1,
      .xlevel = 0x0,
      .features = "apic cx8 de fpu hypervisor mce mmx msr pse tsc",
    },
    { .name = "n270-v1", .vendor = "GenuineIntel", .family = 6, .model = 28, .stepping = 2, .level = 0xa,
      .xlevel = 0x80000008,
      .model_id = "Intel(R) Atom(TM) CPU N270   @ 1.60GHz",
      .features = "acpi apic clflush cmov cx8 de fpu fxsr hypervisor lahf-lm mca mce mmx monitor movbe msr mtrr nx "
          "pae pat pge pni pse sep ss sse sse2 ssse3 tsc",
    },
    { .name = "kvm64-v1", .vendor = "GenuineIntel", .family = 15, .model = 6, .stepping = 1, .level = 0xd,
      .xlevel = 0x80000008,
      .model_id = "Common KVM processor",
      .features = "apic clflush cmov cx16 cx8 de fpu fxsr hypervisor lm mca mce mmx msr mtrr nx pae pat pge pni pse "
          "pse36 sep sse sse2 syscall tsc",
    },
    { .name = "kvm32-v1", .vendor = "GenuineIntel", .family = 15, .model = 6, .stepping = 1, .level = 0x5,
      .xlevel = 0x80000008,
      .model_id = "Common 32-bit KVM processor",
      .features = "apic clflush cmov cx8 de fpu fxsr hypervisor mca mce mmx msr mtrr pae pat pge pni pse pse36 sep "
          "sse sse2 tsc",
    },
    { .name = "coreduo-v1", .vendor = "GenuineIntel", .family = 6, .model = 14, .stepping = 8, .level = 0xa,
      .xlevel = 0x80000008,
      .model_id = "Genuine Intel(R) CPU           T2600  @ 2.16GHz",
      .features = "acpi apic clflush cmov cx8 de fpu fxsr hypervisor mca mce mmx monitor msr mtrr nx pae pat pge "
          "pni pse sep ss sse sse2 tsc",
    },
    { .name = "core2duo-v1", .vendor = "GenuineIntel", .family = 6, .model = 15, .stepping = 11, .level = 0xa,
      .xlevel = 0x80000008,
      .model_id = "Intel(R) Core(TM)2 Duo CPU     T7700  @ 2.40GHz",
      .features = "acpi apic clflush cmov cx16 cx8 de fpu fxsr hypervisor lahf-lm lm mca mce mmx monitor msr mtrr "
          "nx pae pat pge pni pse pse36 sep ss sse sse2 ssse3 syscall tsc",
    },
    { .name = "athlon-v1", .vendor = "AuthenticAMD", .family = 6, .model = 2, .stepping = 3, .level = 0x2,
      .xlevel = 0x80000008,
      .model_id = "QEMU Virtual CPU version 2.5+",
      .features = "3dnow 3dnowext apic cmov cx8 de fpu fxsr hypervisor mca mce mmx mmxext msr mtrr pae pat pge pse "
          "pse36 sep sse sse2 tsc",
    },
    { .name = "Westmere-v2", .parent = "Westmere-v1", .vendor = "GenuineIntel", .family = 6, .model = 44,
      .stepping = 1, .level = 0xb, .xlevel = 0x80000008,
      .model_id = "Westmere E56xx/L56xx/X56xx (IBRS update)",
      .features = "spec-ctrl",
      .unavailable = "spec-ctrl",
    },
    { .name = "Westmere-v1", .vendor = "GenuineIntel", .family = 6, .model = 44, .stepping = 1, .level = 0xb,
      .xlevel = 0x80000008,
      .model_id = "Westmere E56xx/L56xx/X56xx (Nehalem-C)",
      .features = "aes apic arat clflush cmov cx16 cx8 de fpu fxsr hypervisor lahf-lm lm mca mce mmx msr mtrr nx "
          "pae pat pclmulqdq pge pni popcnt pse pse36 sep sse sse2 sse4.1 sse4.2 ssse3 syscall tsc",
    },
    { .name = "Snowridge-v4", .parent = "Snowridge-v3", .vendor = "GenuineIntel", .family = 6, .model = 134,
      .stepping = 1, .level = 0x1b, .xlevel = 0x80000008,
      .model_id = "Intel Atom Processor (Snowridge, no MPX)",
      .help = "Intel Atom Processor (Snowridge, no MPX) [no split lock detect, no core-capability]",
      .features = "-core-capability -split-lock-detect",
      .unavailable = "x2apic tsc-deadline rdseed sha-ni gfni cldemote movdiri movdir64b spec-ctrl arch-capabilities "
          "ssbd 3dnowprefetch xsavec xsaves",
    },
    { .name = "Snowridge-v3", .parent = "Snowridge-v2", .vendor = "GenuineIntel", .family = 6, .model = 134,
      .stepping = 1, .level = 0x1b, .xlevel = 0x80000008,
      .model_id = "Intel Atom Processor (Snowridge, no MPX)",
      .help = "Intel Atom Processor (Snowridge, no MPX) [XSAVES, no MPX]",
      .features = "xsaves",
      .unavailable = "x2apic tsc-deadline rdseed sha-ni gfni cldemote movdiri movdir64b spec-ctrl arch-capabilities "
          "core-capability ssbd 3dnowprefetch xsavec xsaves split-lock-detect",
    },
    { .name = "Snowridge-v2", .parent = "Snowridge-v1", .vendor = "GenuineIntel", .family = 6, .model = 134,
      .stepping = 1, .level = 0x1b, .xlevel = 0x80000008,
      .model_id = "Intel Atom Processor (Snowridge, no MPX)",
      .features = "-mpx",
      .unavailable = "x2apic tsc-deadline rdseed sha-ni gfni cldemote movdiri movdir64b spec-ctrl arch-capabilities "
          "core-capability ssbd 3dnowprefetch xsavec split-lock-detect",
    },
    { .name = "Snowridge-v1", .vendor = "GenuineIntel", .family = 6, .model = 134, .stepping = 1, .level = 0x1b,
      .xlevel = 0x80000008,
      .model_id = "Intel Atom Processor (SnowRidge)",
      .features = "3dnowprefetch aes apic arat arch-capabilities cldemote clflush clflushopt clwb cmov "
          "core-capability cx16 cx8 de erms fpu fsgsbase fxsr gfni hypervisor lahf-lm lm mca mce mmx "
          "monitor movbe movdir64b movdiri mpx msr mtrr nx pae pat pclmulqdq pdpe1gb pge pni popcnt pse "
          "pse36 rdrand rdseed rdtscp sep sha-ni smap smep spec-ctrl split-lock-detect ssbd sse sse2 sse4.1 "
          "sse4.2 ssse3 syscall tsc tsc-deadline umip x2apic xgetbv1 xsave xsavec xsaveopt",
      .unavailable = "x2apic tsc-deadline rdseed sha-ni gfni cldemote movdiri movdir64b spec-ctrl arch-capabilities "
          "core-capability ssbd 3dnowprefetch xsavec split-lock-detect",
    },
    { .name = "Skylake-Server-v5", .parent = "Skylake-Server-v4", .vendor = "GenuineIntel", .family = 6, .model = 85,
      .stepping = 4, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Xeon Processor (Skylake, IBRS, no TSX)",
      .help = "Intel Xeon Processor (Skylake, IBRS, no TSX) [IBRS, XSAVES, EPT switching, no TSX]",
      .features = "xsaves",
      .unavailable = "pcid x2apic tsc-deadline invpcid avx512f avx512dq rdseed avx512cd avx512bw avx512vl spec-ctrl "
          "3dnowprefetch xsavec xsaves",
    },
    { .name = "Skylake-Server-v4", .parent = "Skylake-Server-v3", .vendor = "GenuineIntel", .family = 6, .model = 85,
      .stepping = 4, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Xeon Processor (Skylake, IBRS, no TSX)",
      .help = "Intel Xeon Processor (Skylake, IBRS, no TSX) [IBRS, EPT switching, no TSX]",
      .unavailable = "pcid x2apic tsc-deadline invpcid avx512f avx512dq rdseed avx512cd avx512bw avx512vl spec-ctrl "
          "3dnowprefetch xsavec",
    },
    { .name = "Skylake-Server-v3", .parent = "Skylake-Server-v2", .vendor = "GenuineIntel", .family = 6, .model = 85,
      .stepping = 4, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Xeon Processor (Skylake, IBRS, no TSX)",
      .features = "-hle -rtm",
      .unavailable = "pcid x2apic tsc-deadline invpcid avx512f avx512dq rdseed avx512cd avx512bw avx512vl spec-ctrl "
          "3dnowprefetch xsavec",
    },
    { .name = "Skylake-Server-v2", .parent = "Skylake-Server-v1", .vendor = "GenuineIntel", .family = 6, .model = 85,
      .stepping = 4, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Xeon Processor (Skylake, IBRS)",
      .features = "-clflushopt spec-ctrl",
      .unavailable = "pcid x2apic tsc-deadline hle invpcid rtm avx512f avx512dq rdseed avx512cd avx512bw avx512vl "
          "spec-ctrl 3dnowprefetch xsavec",
    },
    { .name = "Skylake-Server-v1", .vendor = "GenuineIntel", .family = 6, .model = 85, .stepping = 4, .level = 0xd,
      .xlevel = 0x80000008,
      .model_id = "Intel Xeon Processor (Skylake)",
      .features = "3dnowprefetch abm adx aes apic arat avx avx2 avx512bw avx512cd avx512dq avx512f avx512vl bmi1 "
          "bmi2 clflush clflushopt clwb cmov cx16 cx8 de erms f16c fma fpu fsgsbase fxsr hle hypervisor "
          "invpcid lahf-lm lm mca mce mmx movbe msr mtrr nx pae pat pcid pclmulqdq pdpe1gb pge pku pni "
          "popcnt pse pse36 rdrand rdseed rdtscp rtm sep smap smep sse sse2 sse4.1 sse4.2 ssse3 syscall tsc "
          "tsc-deadline x2apic xgetbv1 xsave xsavec xsaveopt",
      .unavailable = "pcid x2apic tsc-deadline hle invpcid rtm avx512f avx512dq rdseed avx512cd avx512bw avx512vl "
          "3dnowprefetch xsavec",
    },
    { .name = "Skylake-Client-v4", .parent = "Skylake-Client-v3", .vendor = "GenuineIntel", .family = 6, .model = 94,
      .stepping = 3, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Core Processor (Skylake, IBRS, no TSX)",
      .help = "Intel Core Processor (Skylake, IBRS, no TSX) [IBRS, XSAVES, no TSX]",
      .features = "xsaves",
      .unavailable = "pcid x2apic tsc-deadline invpcid rdseed spec-ctrl 3dnowprefetch xsavec xsaves",
    },
    { .name = "Skylake-Client-v3", .parent = "Skylake-Client-v2", .vendor = "GenuineIntel", .family = 6, .model = 94,
      .stepping = 3, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Core Processor (Skylake, IBRS, no TSX)",
      .features = "-hle -rtm",
      .unavailable = "pcid x2apic tsc-deadline invpcid rdseed spec-ctrl 3dnowprefetch xsavec",
    },
    { .name = "Skylake-Client-v2", .parent = "Skylake-Client-v1", .vendor = "GenuineIntel", .family = 6, .model = 94,
      .stepping = 3, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Core Processor (Skylake, IBRS)",
      .features = "spec-ctrl",
      .unavailable = "pcid x2apic tsc-deadline hle invpcid rtm rdseed spec-ctrl 3dnowprefetch xsavec",
    },
    { .name = "Skylake-Client-v1", .vendor = "GenuineIntel", .family = 6, .model = 94, .stepping = 3, .level = 0xd,
      .xlevel = 0x80000008,
      .model_id = "Intel Core Processor (Skylake)",
      .features = "3dnowprefetch abm adx aes apic arat avx avx2 bmi1 bmi2 clflush cmov cx16 cx8 de erms f16c fma "
          "fpu fsgsbase fxsr hle hypervisor invpcid lahf-lm lm mca mce mmx movbe msr mtrr nx pae pat pcid "
          "pclmulqdq pge pni popcnt pse pse36 rdrand rdseed rdtscp rtm sep smap smep sse sse2 sse4.1 sse4.2 "
          "ssse3 syscall tsc tsc-deadline x2apic xgetbv1 xsave xsavec xsaveopt",
      .unavailable = "pcid x2apic tsc-deadline hle invpcid rtm rdseed 3dnowprefetch xsavec",
    },
    { .name = "SandyBridge-v2", .parent = "SandyBridge-v1", .vendor = "GenuineIntel", .family = 6, .model = 42,
      .stepping = 1, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Xeon E312xx (Sandy Bridge, IBRS update)",
      .features = "spec-ctrl",
      .unavailable = "x2apic tsc-deadline spec-ctrl",
    },
    { .name = "SandyBridge-v1", .vendor = "GenuineIntel", .family = 6, .model = 42, .stepping = 1, .level = 0xd,
      .xlevel = 0x80000008,
      .model_id = "Intel Xeon E312xx (Sandy Bridge)",
      .features = "aes apic arat avx clflush cmov cx16 cx8 de fpu fxsr hypervisor lahf-lm lm mca mce mmx msr mtrr "
          "nx pae pat pclmulqdq pge pni popcnt pse pse36 rdtscp sep sse sse2 sse4.1 sse4.2 ssse3 syscall "
          "tsc tsc-deadline x2apic xsave xsaveopt",
      .unavailable = "x2apic tsc-deadline",
    },
    { .name = "Penryn-v1", .vendor = "GenuineIntel", .family = 6, .model = 23, .stepping = 3, .level = 0xa,
      .xlevel = 0x80000008,
      .model_id = "Intel Core 2 Duo P9xxx (Penryn Class Core 2)",
      .features = "apic clflush cmov cx16 cx8 de fpu fxsr hypervisor lahf-lm lm mca mce mmx msr mtrr nx pae pat pge "
          "pni pse pse36 sep sse sse2 sse4.1 ssse3 syscall tsc",
    },
    { .name = "Opteron_G5-v1", .vendor = "AuthenticAMD", .family = 21, .model = 2, .stepping = 0, .level = 0xd,
      .xlevel = 0x8000001a,
      .model_id = "AMD Opteron 63xx class CPU",
      .features = "3dnowprefetch abm aes apic avx clflush cmov cx16 cx8 de f16c fma fma4 fpu fxsr hypervisor "
          "lahf-lm lm mca mce misalignsse mmx msr mtrr npt nrip-save nx pae pat pclmulqdq pdpe1gb pge pni "
          "popcnt pse pse36 rdtscp sep sse sse2 sse4.1 sse4.2 sse4a ssse3 svm syscall tbm tsc xop xsave",
      .unavailable = "misalignsse 3dnowprefetch xop fma4 tbm nrip-save",
    },
    { .name = "Opteron_G4-v1", .vendor = "AuthenticAMD", .family = 21, .model = 1, .stepping = 2, .level = 0xd,
      .xlevel = 0x8000001a,
      .model_id = "AMD Opteron 62xx class CPU",
      .features = "3dnowprefetch abm aes apic avx clflush cmov cx16 cx8 de fma4 fpu fxsr hypervisor lahf-lm lm mca "
          "mce misalignsse mmx msr mtrr npt nrip-save nx pae pat pclmulqdq pdpe1gb pge pni popcnt pse pse36 "
          "rdtscp sep sse sse2 sse4.1 sse4.2 sse4a ssse3 svm syscall tsc xop xsave",
      .unavailable = "misalignsse 3dnowprefetch xop fma4 nrip-save",
    },
    { .name = "Opteron_G3-v1", .vendor = "AuthenticAMD", .family = 16, .model = 2, .stepping = 3, .level = 0x5,
      .xlevel = 0x8000000a,
      .model_id = "AMD Opteron 23xx (Gen 3 Class Opteron)",
      .features = "abm apic clflush cmov cx16 cx8 de fpu fxsr hypervisor lahf-lm lm mca mce misalignsse mmx monitor "
          "msr mtrr nx pae pat pge pni popcnt pse pse36 rdtscp sep sse sse2 sse4a svm syscall tsc",
      .unavailable = "misalignsse",
    },
    { .name = "Opteron_G2-v1", .vendor = "AuthenticAMD", .family = 15, .model = 6, .stepping = 1, .level = 0x5,
      .xlevel = 0x8000000a,
      .model_id = "AMD Opteron 22xx (Gen 2 Class Opteron)",
      .features = "apic clflush cmov cx16 cx8 de fpu fxsr hypervisor lahf-lm lm mca mce mmx msr mtrr nx pae pat pge "
          "pni pse pse36 sep sse sse2 svm syscall tsc",
    },
    { .name = "Opteron_G1-v1", .vendor = "AuthenticAMD", .family = 15, .model = 6, .stepping = 1, .level = 0x5,
      .xlevel = 0x80000008,
      .model_id = "AMD Opteron 240 (Gen 1 Class Opteron)",
      .features = "apic clflush cmov cx8 de fpu fxsr hypervisor lm mca mce mmx msr mtrr nx pae pat pge pni pse "
          "pse36 sep sse sse2 syscall tsc",
    },
    { .name = "Nehalem-v2", .parent = "Nehalem-v1", .vendor = "GenuineIntel", .family = 6, .model = 26, .stepping = 3,
      .level = 0xb, .xlevel = 0x80000008,
      .model_id = "Intel Core i7 9xx (Nehalem Core i7, IBRS update)",
      .features = "spec-ctrl",
      .unavailable = "spec-ctrl",
    },
    { .name = "Nehalem-v1", .vendor = "GenuineIntel", .family = 6, .model = 26, .stepping = 3, .level = 0xb,
      .xlevel = 0x80000008,
      .model_id = "Intel Core i7 9xx (Nehalem Class Core i7)",
      .features = "apic clflush cmov cx16 cx8 de fpu fxsr hypervisor lahf-lm lm mca mce mmx msr mtrr nx pae pat pge "
          "pni popcnt pse pse36 sep sse sse2 sse4.1 sse4.2 ssse3 syscall tsc",
    },
    { .name = "KnightsMill-v1", .vendor = "GenuineIntel", .family = 6, .model = 133, .stepping = 0, .level = 0xd,
      .xlevel = 0x80000008,
      .model_id = "Intel Xeon Phi Processor (Knights Mill)",
      .features = "3dnowprefetch abm adx aes apic arat avx avx2 avx512-4fmaps avx512-4vnniw avx512-vpopcntdq "
          "avx512cd avx512er avx512f avx512pf bmi1 bmi2 clflush cmov cx16 cx8 de erms f16c fma fpu fsgsbase "
          "fxsr hypervisor lahf-lm lm mca mce mmx movbe msr mtrr nx pae pat pclmulqdq pdpe1gb pge pni "
          "popcnt pse pse36 rdrand rdseed rdtscp sep smep ss sse sse2 sse4.1 sse4.2 ssse3 syscall tsc "
          "tsc-deadline x2apic xsave xsaveopt",
      .unavailable = "x2apic tsc-deadline avx512f rdseed avx512pf avx512er avx512cd avx512-vpopcntdq avx512-4vnniw "
          "avx512-4fmaps 3dnowprefetch",
    },
    { .name = "IvyBridge-v2", .parent = "IvyBridge-v1", .vendor = "GenuineIntel", .family = 6, .model = 58,
      .stepping = 9, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Xeon E3-12xx v2 (Ivy Bridge, IBRS)",
      .features = "spec-ctrl",
      .unavailable = "x2apic tsc-deadline spec-ctrl",
    },
    { .name = "IvyBridge-v1", .vendor = "GenuineIntel", .family = 6, .model = 58, .stepping = 9, .level = 0xd,
      .xlevel = 0x80000008,
      .model_id = "Intel Xeon E3-12xx v2 (Ivy Bridge)",
      .features = "aes apic arat avx clflush cmov cx16 cx8 de erms f16c fpu fsgsbase fxsr hypervisor lahf-lm lm mca "
          "mce mmx msr mtrr nx pae pat pclmulqdq pge pni popcnt pse pse36 rdrand rdtscp sep smep sse sse2 "
          "sse4.1 sse4.2 ssse3 syscall tsc tsc-deadline x2apic xsave xsaveopt",
      .unavailable = "x2apic tsc-deadline",
    },
    { .name = "Icelake-Server-v6", .parent = "Icelake-Server-v5", .vendor = "GenuineIntel", .family = 6, .model = 106,
      .stepping = 0, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Xeon Processor (Icelake)",
      .help = "Intel Xeon Processor (Icelake) [5-level EPT]",
      .unavailable = "pcid x2apic tsc-deadline invpcid avx512f avx512dq rdseed avx512ifma avx512cd sha-ni avx512bw "
          "avx512vl avx512vbmi avx512vbmi2 gfni vpclmulqdq avx512vnni avx512bitalg avx512-vpopcntdq rdpid "
          "fsrm spec-ctrl arch-capabilities ssbd 3dnowprefetch wbnoinvd xsavec xsaves rdctl-no ibrs-all "
          "skip-l1dfl-vmentry mds-no pschange-mc-no taa-no",
    },
    { .name = "Icelake-Server-v5", .parent = "Icelake-Server-v4", .vendor = "GenuineIntel", .family = 6, .model = 106,
      .stepping = 0, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Xeon Processor (Icelake)",
      .help = "Intel Xeon Processor (Icelake) [XSAVES]",
      .features = "xsaves",
      .unavailable = "pcid x2apic tsc-deadline invpcid avx512f avx512dq rdseed avx512ifma avx512cd sha-ni avx512bw "
          "avx512vl avx512vbmi avx512vbmi2 gfni vpclmulqdq avx512vnni avx512bitalg avx512-vpopcntdq rdpid "
          "fsrm spec-ctrl arch-capabilities ssbd 3dnowprefetch wbnoinvd xsavec xsaves rdctl-no ibrs-all "
          "skip-l1dfl-vmentry mds-no pschange-mc-no taa-no",
    },
    { .name = "Icelake-Server-v4", .parent = "Icelake-Server-v3", .vendor = "GenuineIntel", .family = 6, .model = 106,
      .stepping = 0, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Xeon Processor (Icelake)",
      .features = "avx512ifma fsrm rdpid sha-ni",
      .unavailable = "pcid x2apic tsc-deadline invpcid avx512f avx512dq rdseed avx512ifma avx512cd sha-ni avx512bw "
          "avx512vl avx512vbmi avx512vbmi2 gfni vpclmulqdq avx512vnni avx512bitalg avx512-vpopcntdq rdpid "
          "fsrm spec-ctrl arch-capabilities ssbd 3dnowprefetch wbnoinvd xsavec rdctl-no ibrs-all "
          "skip-l1dfl-vmentry mds-no pschange-mc-no taa-no",
    },
    { .name = "Icelake-Server-v3", .parent = "Icelake-Server-v2", .vendor = "GenuineIntel", .family = 6, .model = 134,
      .stepping = 0, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Xeon Processor (Icelake)",
      .features = "arch-capabilities ibrs-all mds-no pschange-mc-no rdctl-no skip-l1dfl-vmentry taa-no",
      .unavailable = "pcid x2apic tsc-deadline invpcid avx512f avx512dq rdseed avx512cd avx512bw avx512vl avx512vbmi "
          "avx512vbmi2 gfni vpclmulqdq avx512vnni avx512bitalg avx512-vpopcntdq spec-ctrl arch-capabilities "
          "ssbd 3dnowprefetch wbnoinvd xsavec rdctl-no ibrs-all skip-l1dfl-vmentry mds-no pschange-mc-no "
          "taa-no",
    },
    { .name = "Icelake-Server-v2", .parent = "Icelake-Server-v1", .vendor = "GenuineIntel", .family = 6, .model = 134,
      .stepping = 0, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Xeon Processor (Icelake)",
      .help = "Intel Xeon Processor (Icelake) [no TSX]",
      .features = "-hle -rtm",
      .unavailable = "pcid x2apic tsc-deadline invpcid avx512f avx512dq rdseed avx512cd avx512bw avx512vl avx512vbmi "
          "avx512vbmi2 gfni vpclmulqdq avx512vnni avx512bitalg avx512-vpopcntdq spec-ctrl ssbd "
          "3dnowprefetch wbnoinvd xsavec",
    },
    { .name = "Icelake-Server-v1", .vendor = "GenuineIntel", .family = 6, .model = 134, .stepping = 0, .level = 0xd,
      .xlevel = 0x80000008,
      .model_id = "Intel Xeon Processor (Icelake)",
      .features = "3dnowprefetch abm adx aes apic arat avx avx2 avx512-vpopcntdq avx512bitalg avx512bw avx512cd "
          "avx512dq avx512f avx512vbmi avx512vbmi2 avx512vl avx512vnni bmi1 bmi2 clflush clflushopt clwb "
          "cmov cx16 cx8 de erms f16c fma fpu fsgsbase fxsr gfni hle hypervisor invpcid la57 lahf-lm lm mca "
          "mce mmx movbe msr mtrr nx pae pat pcid pclmulqdq pdpe1gb pge pku pni popcnt pse pse36 rdrand "
          "rdseed rdtscp rtm sep smap smep spec-ctrl ssbd sse sse2 sse4.1 sse4.2 ssse3 syscall tsc "
          "tsc-deadline umip vaes vpclmulqdq wbnoinvd x2apic xgetbv1 xsave xsavec xsaveopt",
      .unavailable = "pcid x2apic tsc-deadline hle invpcid rtm avx512f avx512dq rdseed avx512cd avx512bw avx512vl "
          "avx512vbmi avx512vbmi2 gfni vpclmulqdq avx512vnni avx512bitalg avx512-vpopcntdq spec-ctrl ssbd "
          "3dnowprefetch wbnoinvd xsavec",
    },
    { .name = "Haswell-v4", .parent = "Haswell-v3", .vendor = "GenuineIntel", .family = 6, .model = 60, .stepping = 1,
      .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Core Processor (Haswell, no TSX, IBRS)",
      .features = "-hle -rtm",
      .unavailable = "pcid x2apic tsc-deadline invpcid spec-ctrl",
    },
    { .name = "Haswell-v3", .parent = "Haswell-v2", .vendor = "GenuineIntel", .family = 6, .model = 60, .stepping = 4,
      .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Core Processor (Haswell, IBRS)",
      .features = "hle rtm spec-ctrl",
      .unavailable = "pcid x2apic tsc-deadline hle invpcid rtm spec-ctrl",
    },
    { .name = "Haswell-v2", .parent = "Haswell-v1", .vendor = "GenuineIntel", .family = 6, .model = 60, .stepping = 1,
      .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Core Processor (Haswell, no TSX)",
      .features = "-hle -rtm",
      .unavailable = "pcid x2apic tsc-deadline invpcid",
    },
    { .name = "Haswell-v1", .vendor = "GenuineIntel", .family = 6, .model = 60, .stepping = 4, .level = 0xd,
      .xlevel = 0x80000008,
      .model_id = "Intel Core Processor (Haswell)",
      .features = "abm aes apic arat avx avx2 bmi1 bmi2 clflush cmov cx16 cx8 de erms f16c fma fpu fsgsbase fxsr "
          "hle hypervisor invpcid lahf-lm lm mca mce mmx movbe msr mtrr nx pae pat pcid pclmulqdq pge pni "
          "popcnt pse pse36 rdrand rdtscp rtm sep smep sse sse2 sse4.1 sse4.2 ssse3 syscall tsc "
          "tsc-deadline x2apic xsave xsaveopt",
      .unavailable = "pcid x2apic tsc-deadline hle invpcid rtm",
    },
    { .name = "EPYC-v3", .parent = "EPYC-v2", .vendor = "AuthenticAMD", .family = 23, .model = 1, .stepping = 2,
      .level = 0xd, .xlevel = 0x8000001e,
      .model_id = "AMD EPYC Processor",
      .own_cache = true,
      .features = "clzero perfctr-core xsaveerptr xsaves",
      .unavailable = "rdseed sha-ni fxsr-opt misalignsse 3dnowprefetch osvw topoext perfctr-core clzero xsaveerptr "
          "ibpb nrip-save xsavec xsaves",
    },
    { .name = "EPYC-v2", .parent = "EPYC-v1", .vendor = "AuthenticAMD", .family = 23, .model = 1, .stepping = 2,
      .level = 0xd, .xlevel = 0x8000001e,
      .model_id = "AMD EPYC Processor (with IBPB)",
      .own_cache = true,
      .features = "ibpb",
      .unavailable = "rdseed sha-ni fxsr-opt misalignsse 3dnowprefetch osvw topoext ibpb nrip-save xsavec",
    },
    { .name = "EPYC-v1", .vendor = "AuthenticAMD", .family = 23, .model = 1, .stepping = 2, .level = 0xd,
      .xlevel = 0x8000001e,
      .model_id = "AMD EPYC Processor",
      .own_cache = true,
      .features = "3dnowprefetch abm adx aes apic arat avx avx2 bmi1 bmi2 clflush clflushopt cmov cr8legacy cx16 "
          "cx8 de f16c fma fpu fsgsbase fxsr fxsr-opt hypervisor lahf-lm lm mca mce misalignsse mmx mmxext "
          "monitor movbe msr mtrr npt nrip-save nx osvw pae pat pclmulqdq pdpe1gb pge pni popcnt pse pse36 "
          "rdrand rdseed rdtscp sep sha-ni smap smep sse sse2 sse4.1 sse4.2 sse4a ssse3 svm syscall topoext "
          "tsc xgetbv1 xsave xsavec xsaveopt",
      .unavailable = "rdseed sha-ni fxsr-opt misalignsse 3dnowprefetch osvw topoext nrip-save xsavec",
    },
    { .name = "EPYC-Rome-v2", .parent = "EPYC-Rome-v1", .vendor = "AuthenticAMD", .family = 23, .model = 49,
      .stepping = 0, .level = 0xd, .xlevel = 0x8000001e,
      .model_id = "AMD EPYC-Rome Processor",
      .own_cache = true,
      .features = "amd-ssbd ibrs",
      .unavailable = "rdseed sha-ni rdpid fxsr-opt misalignsse 3dnowprefetch osvw topoext perfctr-core clzero "
          "xsaveerptr wbnoinvd ibpb ibrs amd-stibp amd-ssbd nrip-save xsavec xsaves",
    },
    { .name = "EPYC-Rome-v1", .vendor = "AuthenticAMD", .family = 23, .model = 49, .stepping = 0, .level = 0xd,
      .xlevel = 0x8000001e,
      .model_id = "AMD EPYC-Rome Processor",
      .own_cache = true,
      .features = "3dnowprefetch abm adx aes amd-stibp apic arat avx avx2 bmi1 bmi2 clflush clflushopt clwb clzero "
          "cmov cr8legacy cx16 cx8 de f16c fma fpu fsgsbase fxsr fxsr-opt hypervisor ibpb lahf-lm lm mca "
          "mce misalignsse mmx mmxext monitor movbe msr mtrr npt nrip-save nx osvw pae pat pclmulqdq "
          "pdpe1gb perfctr-core pge pni popcnt pse pse36 rdpid rdrand rdseed rdtscp sep sha-ni smap smep "
          "sse sse2 sse4.1 sse4.2 sse4a ssse3 svm syscall topoext tsc umip wbnoinvd xgetbv1 xsave xsavec "
          "xsaveerptr xsaveopt xsaves",
      .unavailable = "rdseed sha-ni rdpid fxsr-opt misalignsse 3dnowprefetch osvw topoext perfctr-core clzero "
          "xsaveerptr wbnoinvd ibpb amd-stibp nrip-save xsavec xsaves",
    },
    { .name = "EPYC-Milan-v1", .vendor = "AuthenticAMD", .family = 25, .model = 1, .stepping = 1, .level = 0xd,
      .xlevel = 0x8000001e,
      .model_id = "AMD EPYC-Milan Processor",
      .own_cache = true,
      .features = "3dnowprefetch abm adx aes amd-ssbd amd-stibp apic arat avx avx2 bmi1 bmi2 clflush clflushopt "
          "clwb clzero cmov cr8legacy cx16 cx8 de erms f16c fma fpu fsgsbase fsrm fxsr fxsr-opt hypervisor "
          "ibpb ibrs invpcid lahf-lm lm mca mce misalignsse mmx mmxext monitor movbe msr mtrr npt nrip-save "
          "nx osvw pae pat pcid pclmulqdq pdpe1gb perfctr-core pge pku pni popcnt pse pse36 rdpid rdrand "
          "rdseed rdtscp sep sha-ni smap smep sse sse2 sse4.1 sse4.2 sse4a ssse3 svm svme-addr-chk syscall "
          "topoext tsc umip wbnoinvd xgetbv1 xsave xsavec xsaveerptr xsaveopt xsaves",
      .unavailable = "pcid invpcid rdseed sha-ni rdpid fsrm fxsr-opt misalignsse 3dnowprefetch osvw topoext "
          "perfctr-core clzero xsaveerptr wbnoinvd ibpb ibrs amd-stibp amd-ssbd nrip-save xsavec xsaves",
    },
    { .name = "Dhyana-v2", .parent = "Dhyana-v1", .vendor = "HygonGenuine", .family = 24, .model = 0, .stepping = 1,
      .level = 0xd, .xlevel = 0x8000001e,
      .model_id = "Hygon Dhyana Processor",
      .help = "Hygon Dhyana Processor [XSAVES]",
      .own_cache = true,
      .features = "xsaves",
      .unavailable = "rdseed fxsr-opt misalignsse 3dnowprefetch osvw topoext ibpb nrip-save xsavec xsaves",
    },
    { .name = "Dhyana-v1", .vendor = "HygonGenuine", .family = 24, .model = 0, .stepping = 1, .level = 0xd,
      .xlevel = 0x8000001e,
      .model_id = "Hygon Dhyana Processor",
      .own_cache = true,
      .features = "3dnowprefetch abm adx apic arat avx avx2 bmi1 bmi2 clflush clflushopt cmov cr8legacy cx16 cx8 de "
          "f16c fma fpu fsgsbase fxsr fxsr-opt hypervisor ibpb lahf-lm lm mca mce misalignsse mmx mmxext "
          "monitor movbe msr mtrr npt nrip-save nx osvw pae pat pdpe1gb pge pni popcnt pse pse36 rdrand "
          "rdseed rdtscp sep smap smep sse sse2 sse4.1 sse4.2 sse4a ssse3 svm syscall topoext tsc xgetbv1 "
          "xsave xsavec xsaveopt",
      .unavailable = "rdseed fxsr-opt misalignsse 3dnowprefetch osvw topoext ibpb nrip-save xsavec",
    },
    { .name = "Denverton-v3", .parent = "Denverton-v2", .vendor = "GenuineIntel", .family = 6, .model = 95,
      .stepping = 1, .level = 0x15, .xlevel = 0x80000008,
      .model_id = "Intel Atom Processor (Denverton)",
      .help = "Intel Atom Processor (Denverton) [XSAVES, no MPX, no MONITOR]",
      .features = "xsaves",
      .unavailable = "x2apic tsc-deadline rdseed sha-ni spec-ctrl arch-capabilities ssbd 3dnowprefetch xsavec xsaves "
          "rdctl-no skip-l1dfl-vmentry",
    },
    { .name = "Denverton-v2", .parent = "Denverton-v1", .vendor = "GenuineIntel", .family = 6, .model = 95,
      .stepping = 1, .level = 0x15, .xlevel = 0x80000008,
      .model_id = "Intel Atom Processor (Denverton)",
      .help = "Intel Atom Processor (Denverton) [no MPX, no MONITOR]",
      .features = "-monitor -mpx",
      .unavailable = "x2apic tsc-deadline rdseed sha-ni spec-ctrl arch-capabilities ssbd 3dnowprefetch xsavec rdctl-no "
          "skip-l1dfl-vmentry",
    },
    { .name = "Denverton-v1", .vendor = "GenuineIntel", .family = 6, .model = 95, .stepping = 1, .level = 0x15,
      .xlevel = 0x80000008,
      .model_id = "Intel Atom Processor (Denverton)",
      .features = "3dnowprefetch aes apic arat arch-capabilities clflush clflushopt cmov cx16 cx8 de erms fpu "
          "fsgsbase fxsr hypervisor lahf-lm lm mca mce mmx monitor movbe mpx msr mtrr nx pae pat pclmulqdq "
          "pdpe1gb pge pni popcnt pse pse36 rdctl-no rdrand rdseed rdtscp sep sha-ni skip-l1dfl-vmentry "
          "smap smep spec-ctrl ssbd sse sse2 sse4.1 sse4.2 ssse3 syscall tsc tsc-deadline x2apic xgetbv1 "
          "xsave xsavec xsaveopt",
      .unavailable = "x2apic tsc-deadline rdseed sha-ni spec-ctrl arch-capabilities ssbd 3dnowprefetch xsavec rdctl-no "
          "skip-l1dfl-vmentry",
    },
    { .name = "Cooperlake-v2", .parent = "Cooperlake-v1", .vendor = "GenuineIntel", .family = 6, .model = 85,
      .stepping = 10, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Xeon Processor (Cooperlake)",
      .help = "Intel Xeon Processor (Cooperlake) [XSAVES]",
      .features = "xsaves",
      .unavailable = "pcid x2apic tsc-deadline hle invpcid rtm avx512f avx512dq rdseed avx512cd avx512bw avx512vl "
          "avx512vnni spec-ctrl stibp arch-capabilities ssbd avx512-bf16 3dnowprefetch xsavec xsaves "
          "rdctl-no ibrs-all skip-l1dfl-vmentry mds-no pschange-mc-no taa-no",
    },
    { .name = "Cooperlake-v1", .vendor = "GenuineIntel", .family = 6, .model = 85, .stepping = 10, .level = 0xd,
      .xlevel = 0x80000008,
      .model_id = "Intel Xeon Processor (Cooperlake)",
      .features = "3dnowprefetch abm adx aes apic arat arch-capabilities avx avx2 avx512-bf16 avx512bw avx512cd "
          "avx512dq avx512f avx512vl avx512vnni bmi1 bmi2 clflush clflushopt clwb cmov cx16 cx8 de erms "
          "f16c fma fpu fsgsbase fxsr hle hypervisor ibrs-all invpcid lahf-lm lm mca mce mds-no mmx movbe "
          "msr mtrr nx pae pat pcid pclmulqdq pdpe1gb pge pku pni popcnt pschange-mc-no pse pse36 rdctl-no "
          "rdrand rdseed rdtscp rtm sep skip-l1dfl-vmentry smap smep spec-ctrl ssbd sse sse2 sse4.1 sse4.2 "
          "ssse3 stibp syscall taa-no tsc tsc-deadline x2apic xgetbv1 xsave xsavec xsaveopt",
      .unavailable = "pcid x2apic tsc-deadline hle invpcid rtm avx512f avx512dq rdseed avx512cd avx512bw avx512vl "
          "avx512vnni spec-ctrl stibp arch-capabilities ssbd avx512-bf16 3dnowprefetch xsavec rdctl-no "
          "ibrs-all skip-l1dfl-vmentry mds-no pschange-mc-no taa-no",
    },
    { .name = "Conroe-v1", .vendor = "GenuineIntel", .family = 6, .model = 15, .stepping = 3, .level = 0xa,
      .xlevel = 0x80000008,
      .model_id = "Intel Celeron_4x0 (Conroe/Merom Class Core 2)",
      .features = "apic clflush cmov cx8 de fpu fxsr hypervisor lahf-lm lm mca mce mmx msr mtrr nx pae pat pge pni "
          "pse pse36 sep sse sse2 ssse3 syscall tsc",
    },
    { .name = "Cascadelake-Server-v5", .parent = "Cascadelake-Server-v4", .vendor = "GenuineIntel", .family = 6,
      .model = 85, .stepping = 6, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Xeon Processor (Cascadelake)",
      .help = "Intel Xeon Processor (Cascadelake) [ARCH_CAPABILITIES, EPT switching, XSAVES, no TSX]",
      .features = "xsaves",
      .unavailable = "pcid x2apic tsc-deadline invpcid avx512f avx512dq rdseed avx512cd avx512bw avx512vl avx512vnni "
          "spec-ctrl arch-capabilities ssbd 3dnowprefetch xsavec xsaves rdctl-no ibrs-all "
          "skip-l1dfl-vmentry mds-no",
    },
    { .name = "Cascadelake-Server-v4", .parent = "Cascadelake-Server-v3", .vendor = "GenuineIntel", .family = 6,
      .model = 85, .stepping = 6, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Xeon Processor (Cascadelake)",
      .help = "Intel Xeon Processor (Cascadelake) [ARCH_CAPABILITIES, EPT switching, no TSX]",
      .unavailable = "pcid x2apic tsc-deadline invpcid avx512f avx512dq rdseed avx512cd avx512bw avx512vl avx512vnni "
          "spec-ctrl arch-capabilities ssbd 3dnowprefetch xsavec rdctl-no ibrs-all skip-l1dfl-vmentry "
          "mds-no",
    },
    { .name = "Cascadelake-Server-v3", .parent = "Cascadelake-Server-v2", .vendor = "GenuineIntel", .family = 6,
      .model = 85, .stepping = 6, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Xeon Processor (Cascadelake)",
      .help = "Intel Xeon Processor (Cascadelake) [ARCH_CAPABILITIES, no TSX]",
      .features = "-hle -rtm",
      .unavailable = "pcid x2apic tsc-deadline invpcid avx512f avx512dq rdseed avx512cd avx512bw avx512vl avx512vnni "
          "spec-ctrl arch-capabilities ssbd 3dnowprefetch xsavec rdctl-no ibrs-all skip-l1dfl-vmentry "
          "mds-no",
    },
    { .name = "Cascadelake-Server-v2", .parent = "Cascadelake-Server-v1", .vendor = "GenuineIntel", .family = 6,
      .model = 85, .stepping = 6, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Xeon Processor (Cascadelake)",
      .help = "Intel Xeon Processor (Cascadelake) [ARCH_CAPABILITIES]",
      .features = "arch-capabilities ibrs-all mds-no rdctl-no skip-l1dfl-vmentry",
      .unavailable = "pcid x2apic tsc-deadline hle invpcid rtm avx512f avx512dq rdseed avx512cd avx512bw avx512vl "
          "avx512vnni spec-ctrl arch-capabilities ssbd 3dnowprefetch xsavec rdctl-no ibrs-all "
          "skip-l1dfl-vmentry mds-no",
    },
    { .name = "Cascadelake-Server-v1", .vendor = "GenuineIntel", .family = 6, .model = 85, .stepping = 6, .level = 0xd,
      .xlevel = 0x80000008,
      .model_id = "Intel Xeon Processor (Cascadelake)",
      .features = "3dnowprefetch abm adx aes apic arat avx avx2 avx512bw avx512cd avx512dq avx512f avx512vl "
          "avx512vnni bmi1 bmi2 clflush clflushopt clwb cmov cx16 cx8 de erms f16c fma fpu fsgsbase fxsr "
          "hle hypervisor invpcid lahf-lm lm mca mce mmx movbe msr mtrr nx pae pat pcid pclmulqdq pdpe1gb "
          "pge pku pni popcnt pse pse36 rdrand rdseed rdtscp rtm sep smap smep spec-ctrl ssbd sse sse2 "
          "sse4.1 sse4.2 ssse3 syscall tsc tsc-deadline x2apic xgetbv1 xsave xsavec xsaveopt",
      .unavailable = "pcid x2apic tsc-deadline hle invpcid rtm avx512f avx512dq rdseed avx512cd avx512bw avx512vl "
          "avx512vnni spec-ctrl ssbd 3dnowprefetch xsavec",
    },
    { .name = "Broadwell-v4", .parent = "Broadwell-v3", .vendor = "GenuineIntel", .family = 6, .model = 61,
      .stepping = 2, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Core Processor (Broadwell, no TSX, IBRS)",
      .features = "-hle -rtm",
      .unavailable = "pcid x2apic tsc-deadline invpcid rdseed spec-ctrl 3dnowprefetch",
    },
    { .name = "Broadwell-v3", .parent = "Broadwell-v2", .vendor = "GenuineIntel", .family = 6, .model = 61,
      .stepping = 2, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Core Processor (Broadwell, IBRS)",
      .features = "hle rtm spec-ctrl",
      .unavailable = "pcid x2apic tsc-deadline hle invpcid rtm rdseed spec-ctrl 3dnowprefetch",
    },
    { .name = "Broadwell-v2", .parent = "Broadwell-v1", .vendor = "GenuineIntel", .family = 6, .model = 61,
      .stepping = 2, .level = 0xd, .xlevel = 0x80000008,
      .model_id = "Intel Core Processor (Broadwell, no TSX)",
      .features = "-hle -rtm",
      .unavailable = "pcid x2apic tsc-deadline invpcid rdseed 3dnowprefetch",
    },
    { .name = "Broadwell-v1", .vendor = "GenuineIntel", .family = 6, .model = 61, .stepping = 2, .level = 0xd,
      .xlevel = 0x80000008,
      .model_id = "Intel Core Processor (Broadwell)",
      .features = "3dnowprefetch abm adx aes apic arat avx avx2 bmi1 bmi2 clflush cmov cx16 cx8 de erms f16c fma "
          "fpu fsgsbase fxsr hle hypervisor invpcid lahf-lm lm mca mce mmx movbe msr mtrr nx pae pat pcid "
          "pclmulqdq pge pni popcnt pse pse36 rdrand rdseed rdtscp rtm sep smap smep sse sse2 sse4.1 sse4.2 "
          "ssse3 syscall tsc tsc-deadline x2apic xsave xsaveopt",
      .unavailable = "pcid x2apic tsc-deadline hle invpcid rtm rdseed 3dnowprefetch",
    },
    { .name = "486-v1", .vendor = "GenuineIntel", .family = 4, .model = 8, .stepping = 0, .level = 0x1, .xlevel = 0x0,
      .features = "fpu hypervisor pse",
    },
    { .name = NULL },
};

const CpuName cpu_names[] = {
    { "max", NULL }, { "host", NULL }, { "base", NULL }, { "qemu64-v1", NULL }, { "qemu64", "qemu64-v1" },
    { "qemu32-v1", NULL }, { "qemu32", "qemu32-v1" }, { "phenom-v1", NULL }, { "phenom", "phenom-v1" },
    { "pentium3-v1", NULL }, { "pentium3", "pentium3-v1" }, { "pentium2-v1", NULL }, { "pentium2", "pentium2-v1" },
    { "pentium-v1", NULL }, { "pentium", "pentium-v1" }, { "n270-v1", NULL }, { "n270", "n270-v1" },
    { "kvm64-v1", NULL }, { "kvm64", "kvm64-v1" }, { "kvm32-v1", NULL }, { "kvm32", "kvm32-v1" },
    { "coreduo-v1", NULL }, { "coreduo", "coreduo-v1" }, { "core2duo-v1", NULL }, { "core2duo", "core2duo-v1" },
    { "athlon-v1", NULL }, { "athlon", "athlon-v1" }, { "Westmere-v2", NULL }, { "Westmere-v1", NULL },
    { "Westmere-IBRS", "Westmere-v2" }, { "Westmere", "Westmere-v1" }, { "Snowridge-v4", NULL },
    { "Snowridge-v3", NULL }, { "Snowridge-v2", NULL }, { "Snowridge-v1", NULL }, { "Snowridge", "Snowridge-v1" },
    { "Skylake-Server-v5", NULL }, { "Skylake-Server-v4", NULL }, { "Skylake-Server-v3", NULL },
    { "Skylake-Server-v2", NULL }, { "Skylake-Server-v1", NULL },
    { "Skylake-Server-noTSX-IBRS", "Skylake-Server-v3" }, { "Skylake-Server-IBRS", "Skylake-Server-v2" },
    { "Skylake-Server", "Skylake-Server-v1" }, { "Skylake-Client-v4", NULL }, { "Skylake-Client-v3", NULL },
    { "Skylake-Client-v2", NULL }, { "Skylake-Client-v1", NULL },
    { "Skylake-Client-noTSX-IBRS", "Skylake-Client-v3" }, { "Skylake-Client-IBRS", "Skylake-Client-v2" },
    { "Skylake-Client", "Skylake-Client-v1" }, { "SandyBridge-v2", NULL }, { "SandyBridge-v1", NULL },
    { "SandyBridge-IBRS", "SandyBridge-v2" }, { "SandyBridge", "SandyBridge-v1" }, { "Penryn-v1", NULL },
    { "Penryn", "Penryn-v1" }, { "Opteron_G5-v1", NULL }, { "Opteron_G5", "Opteron_G5-v1" },
    { "Opteron_G4-v1", NULL }, { "Opteron_G4", "Opteron_G4-v1" }, { "Opteron_G3-v1", NULL },
    { "Opteron_G3", "Opteron_G3-v1" }, { "Opteron_G2-v1", NULL }, { "Opteron_G2", "Opteron_G2-v1" },
    { "Opteron_G1-v1", NULL }, { "Opteron_G1", "Opteron_G1-v1" }, { "Nehalem-v2", NULL }, { "Nehalem-v1", NULL },
    { "Nehalem-IBRS", "Nehalem-v2" }, { "Nehalem", "Nehalem-v1" }, { "KnightsMill-v1", NULL },
    { "KnightsMill", "KnightsMill-v1" }, { "IvyBridge-v2", NULL }, { "IvyBridge-v1", NULL },
    { "IvyBridge-IBRS", "IvyBridge-v2" }, { "IvyBridge", "IvyBridge-v1" }, { "Icelake-Server-v6", NULL },
    { "Icelake-Server-v5", NULL }, { "Icelake-Server-v4", NULL }, { "Icelake-Server-v3", NULL },
    { "Icelake-Server-v2", NULL }, { "Icelake-Server-v1", NULL }, { "Icelake-Server-noTSX", "Icelake-Server-v2" },
    { "Icelake-Server", "Icelake-Server-v1" }, { "Haswell-v4", NULL }, { "Haswell-v3", NULL }, { "Haswell-v2", NULL },
    { "Haswell-v1", NULL }, { "Haswell-noTSX-IBRS", "Haswell-v4" }, { "Haswell-noTSX", "Haswell-v2" },
    { "Haswell-IBRS", "Haswell-v3" }, { "Haswell", "Haswell-v1" }, { "EPYC-v3", NULL }, { "EPYC-v2", NULL },
    { "EPYC-v1", NULL }, { "EPYC-Rome-v2", NULL }, { "EPYC-Rome-v1", NULL }, { "EPYC-Rome", "EPYC-Rome-v1" },
    { "EPYC-Milan-v1", NULL }, { "EPYC-Milan", "EPYC-Milan-v1" }, { "EPYC-IBPB", "EPYC-v2" }, { "EPYC", "EPYC-v1" },
    { "Dhyana-v2", NULL }, { "Dhyana-v1", NULL }, { "Dhyana", "Dhyana-v1" }, { "Denverton-v3", NULL },
    { "Denverton-v2", NULL }, { "Denverton-v1", NULL }, { "Denverton", "Denverton-v1" }, { "Cooperlake-v2", NULL },
    { "Cooperlake-v1", NULL }, { "Cooperlake", "Cooperlake-v1" }, { "Conroe-v1", NULL }, { "Conroe", "Conroe-v1" },
    { "Cascadelake-Server-v5", NULL }, { "Cascadelake-Server-v4", NULL }, { "Cascadelake-Server-v3", NULL },
    { "Cascadelake-Server-v2", NULL }, { "Cascadelake-Server-v1", NULL },
    { "Cascadelake-Server-noTSX", "Cascadelake-Server-v3" }, { "Cascadelake-Server", "Cascadelake-Server-v1" },
    { "Broadwell-v4", NULL }, { "Broadwell-v3", NULL }, { "Broadwell-v2", NULL }, { "Broadwell-v1", NULL },
    { "Broadwell-noTSX-IBRS", "Broadwell-v4" }, { "Broadwell-noTSX", "Broadwell-v2" },
    { "Broadwell-IBRS", "Broadwell-v3" }, { "Broadwell", "Broadwell-v1" }, { "486-v1", NULL }, { "486", "486-v1" },
    { NULL, NULL },
};

/*
 * Models of processors: what they can do, as managers ask and choose.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_CPU_MODELS_H
#define HW_I386_CPU_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CpuFeature {
    const char *name;
    uint32_t leaf;             /* the CPUID leaf that tells of it, 0: none or one that raises no level */
    const char *needs;         /* without this feature it does nothing; "KVM": without that accelerator */
    bool in_subleaf;           /* told in leaf 7, sub-leaf 1 */
} CpuFeature;

typedef struct CpuModel {
    const char *name, *parent; /* features are told as a difference to the parent's */
    const char *vendor, *model_id, *help;          /* help NULL: the model id */
    /* words; unavailable: without hardware help, repeated as the peer does */
    const char *features, *unavailable;
    uint32_t level, xlevel;
    uint16_t family;
    uint8_t model, stepping;
    bool own_cache;            /* its caches are described, not the ones of old */
} CpuModel;

typedef struct CpuName {
    const char *name, *alias_of;
} CpuName;

/* What is neither a feature nor a model's own: the same for all. */
typedef struct CpuSetting {
    const char *name;
    char kind;                 /* 'b', 'i', 's' */
    int64_t number;
    const char *text;
} CpuSetting;

/* All end with a NULL name.  Names: in the peer's order; cpu_models: each once. */
extern const CpuFeature cpu_features[];
extern const CpuName cpu_feature_aliases[];
extern const CpuModel cpu_models[];
extern const CpuName cpu_names[];
extern const CpuSetting cpu_settings[];
#define CPU_FEATURES_MAX 400

/* By name or alias; NULL: there is none. */
const CpuModel *cpu_model_find(const char *name);
int cpu_feature_index(const char *name);           /* by name or alias, -1 */
/* on: CPU_FEATURES_MAX entries. */
void cpu_model_features(const CpuModel *m, bool *on);
/* CPUID leaf 1 of a model's type, as far as it can be had without hardware help: eax and edx. */
void cpu_model_id(const char *type, uint32_t *id);

#endif

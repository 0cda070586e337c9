#if defined(__x86_64__)
#define JSON_AVX2
#define JSON_TARGET __attribute__((target("avx2,bmi")))
#define JSON_NAME(name) name##_avx2
#include "pipeline/codec/json_parse_template.h"
#endif

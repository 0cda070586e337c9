/*
 * Paho's release build still traces every call (three locks each) into memory that nobody reads, and keeps a search
 * tree of everything it has allocated: two thirds of what a message costs it. The modules are linked with these
 * functions in place of its own. Errors reach us by its callbacks.
 */
#include <stdlib.h>

#if PIPE_MQTT_DEFERRED_ACK /* linked with Paho's static library */

void *__wrap_mymalloc(char *file, int line, size_t size);
void *__wrap_myrealloc(char *file, int line, void *p, size_t size);
void __wrap_myfree(char *file, int line, void *p);
void __wrap_StackTrace_entry(const char *name, int line, int level);
void __wrap_StackTrace_exit(const char *name, int line, void *result, int level);
void __wrap_Log(int level, int number, const char *format, ...);

void *__wrap_mymalloc(char *file, int line, size_t size)
{
    (void)file;
    (void)line;
    return malloc(size);
}

void *__wrap_myrealloc(char *file, int line, void *p, size_t size)
{
    (void)file;
    (void)line;
    return realloc(p, size);
}

void __wrap_myfree(char *file, int line, void *p)
{
    (void)file;
    (void)line;
    free(p);
}

void __wrap_StackTrace_entry(const char *name, int line, int level)
{
    (void)name;
    (void)line;
    (void)level;
}

void __wrap_StackTrace_exit(const char *name, int line, void *result, int level)
{
    (void)name;
    (void)line;
    (void)result;
    (void)level;
}

void __wrap_Log(int level, int number, const char *format, ...)
{
    (void)level;
    (void)number;
    (void)format;
}

#endif

// What scripts/platforms/musl.mjs puts in place of the parts of libstdc++ that need glibc: throwing, which would bring
// in its locales, and the few functions of glibc that the rest of it calls. A program that gets here ends.
#include <stdlib.h>

namespace std {

[[noreturn]] void __throw_bad_alloc() { abort(); }
[[noreturn]] void __throw_bad_array_new_length() { abort(); }
[[noreturn]] void __throw_bad_function_call() { abort(); }
[[noreturn]] void __throw_length_error(const char*) { abort(); }
[[noreturn]] void __throw_logic_error(const char*) { abort(); }
[[noreturn]] void __throw_out_of_range_fmt(const char*, ...) { abort(); }
[[noreturn]] void __throw_system_error(int) { abort(); }
[[noreturn]] void __glibcxx_assert_fail(const char*, int, const char*, const char*) { abort(); }

}  // namespace std

extern "C" {

extern char __libc_single_threaded;
char __libc_single_threaded = 0;

int _dl_find_object(void*, void*) { return -1; }

unsigned long getauxval(unsigned long);
unsigned long __getauxval(unsigned long type) { return getauxval(type); }

}

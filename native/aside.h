// Work on a filesystem that may never answer: a server that is gone, a FUSE daemon that is stopped. It is done aside, on
// a thread of its own, and the JavaScript thread waits for it only so long.
//
// Guarantee: a caller waits a second at the most. While other work is overdue it waits only a moment, and for an ending
// not at all, so a dead filesystem does not stop the event loop again and again. Overdue work goes on by itself.
// Not guaranteed: that such work ever ends. While 64 threads are at it, new work is refused; an ending never is.
#ifndef HOLDFAST_NATIVE_ASIDE_H_
#define HOLDFAST_NATIVE_ASIDE_H_

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <new>

#include "thread.h"

namespace holdfast {

// A text of one's own: the caller's is gone when overdue work reads it.
inline char* CopyOf(const char* text) {
  const size_t size = strlen(text) + 1;
  char* copy = static_cast<char*>(malloc(size));
  if (copy == nullptr) abort();
  memcpy(copy, text, size);
  return copy;
}

class OwnText {
 public:
  explicit OwnText(const char* text) : text_(CopyOf(text)) {}
  ~OwnText() { free(text_); }
  OwnText(const OwnText&) = delete;
  OwnText& operator=(const OwnText&) = delete;

  const char* c_str() const { return text_; }

 private:
  char* const text_;
};

template <class T, class... Arguments>
T* New(Arguments... arguments) {
  void* memory = malloc(sizeof(T));
  if (memory == nullptr) abort();
  return new (memory) T(arguments...);
}

template <class T>
void Delete(T* object) {
  object->~T();
  free(object);
}

enum class Need : uint8_t {
  kHint,    // waited for a moment only, and not done at all while other work is overdue
  kAnswer,
  kEnding,  // must happen: done here where the system has no thread
};

// One piece of work: its Run() is called once, on another thread, or never. Its destructor cleans up what Run() left
// behind, for it may be the thread that deletes it.
class Work {
 public:
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

 protected:
  template <class T>
  explicit Work(T*)
      : run_([](Work* work) { static_cast<T*>(work)->Run(); }),
        delete_([](Work* work) { Delete(static_cast<T*>(work)); }) {}
  ~Work() = default;

 private:
  friend int Await(Work* work, Need need);
  friend void Leave(Work* work);
  friend bool Start(Work* work, Need need);
  static void OnThread(void* work);

  void (*const run_)(Work*);
  void (*const delete_)(Work*);
  Bell* waiter_ = nullptr;  // rung when the work is done; null when nobody waits
  bool done_ = false;
  bool overdue_ = false;
};

// Starts the work and waits for it. 0: it is done, and the caller's again. Otherwise the error; the work is not the
// caller's any more.
int Await(Work* work, Need need = Need::kAnswer);

// Starts an ending, and does not wait for it.
void Leave(Work* work);

}  // namespace holdfast

#endif  // HOLDFAST_NATIVE_ASIDE_H_

# distutils: language = c++
"""SciPy's BLAS and LAPACK as a table of function pointers in a capsule, for `hpt._core`.

Cython compares the signatures with SciPy's at import, so a change there is an ImportError, never a crash. The
thread-count calls are looked up in the library that SciPy's own BLAS module links, by the names its builds use.
"""

from cpython.pycapsule cimport PyCapsule_New
from scipy.linalg cimport cython_blas, cython_lapack

cdef extern from "hpt/blas.hpp" namespace "hpt" nogil:
    ctypedef int blas_int
    cdef cppclass BlasTable:
        int version
        void (*dgemm)(char*, char*, int*, int*, int*, double*, double*, int*, double*, int*, double*, double*, int*)
        void (*dtrsm)(char*, char*, char*, char*, int*, int*, double*, double*, int*, double*, int*)
        void (*dtrsv)(char*, char*, char*, int*, double*, int*, double*, int*)
        void (*dpotrf)(char*, int*, double*, int*, int*)
        void (*dpotri)(char*, int*, double*, int*, int*)
        int (*get_threads)()
        void (*set_threads)(int)

cdef extern from *:
    """
    #include <dlfcn.h>

    // The library that holds SciPy's wrappers, already loaded; a symbol search in it covers what it links.
    static void* hpt_blas_library(void* routine) {
      Dl_info info;
      if (!dladdr(routine, &info) || !info.dli_fname) return nullptr;
      return dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    }

    static void hpt_find_thread_calls(void* routine, hpt::BlasTable* table) {
      static const char* const names[][2] = {
          {"scipy_openblas_get_num_threads", "scipy_openblas_set_num_threads"},
          {"openblas_get_num_threads", "openblas_set_num_threads"},
          {"bli_thread_get_num_threads", "bli_thread_set_num_threads"},
          {"MKL_Get_Max_Threads", "MKL_Set_Num_Threads"},
      };
      void* library = hpt_blas_library(routine);
      if (!library) return;
      for (const auto& pair : names) {
        void* get = dlsym(library, pair[0]);
        void* set = dlsym(library, pair[1]);
        if (!get || !set) continue;
        table->get_threads = reinterpret_cast<int (*)()>(get);
        table->set_threads = reinterpret_cast<void (*)(int)>(set);
        return;
      }
    }
    """
    void hpt_find_thread_calls(void* routine, BlasTable* table) nogil

cdef BlasTable _table

# Cython's function types carry `noexcept nogil`; the table's are the same C functions.
_table.dgemm = <void (*)(char*, char*, int*, int*, int*, double*, double*, int*, double*, int*, double*, double*, int*) noexcept nogil> cython_blas.dgemm
_table.dtrsm = <void (*)(char*, char*, char*, char*, int*, int*, double*, double*, int*, double*, int*) noexcept nogil> cython_blas.dtrsm
_table.dtrsv = <void (*)(char*, char*, char*, int*, double*, int*, double*, int*) noexcept nogil> cython_blas.dtrsv
_table.dpotrf = <void (*)(char*, int*, double*, int*, int*) noexcept nogil> cython_lapack.dpotrf
_table.dpotri = <void (*)(char*, int*, double*, int*, int*) noexcept nogil> cython_lapack.dpotri
hpt_find_thread_calls(<void*> cython_blas.dgemm, &_table)

table = PyCapsule_New(<void*> &_table, "hpt._blas.table", NULL)


def get_num_threads():
    """How many threads SciPy's BLAS uses, or None where the library has no such call."""
    return _table.get_threads() if _table.get_threads != NULL else None


def set_num_threads(int count):
    """Set how many threads SciPy's BLAS uses in this process; without effect where the library has no such call."""
    if count < 1:
        raise ValueError(f"count: {count} is below 1")
    if _table.set_threads != NULL:
        _table.set_threads(count)

// Block alignment of mixture-of-experts routing. The contract is the docstring of `moe_align_block_size` in
// moe_align_native/align.py, which has checked every argument and made every output.
//
// A port of the GPU version's four stages. The ids are cut into PROGRAMS chunks:
//
//   1. count: every program counts how often each expert occurs in its chunk;
//   2. column prefix: for each expert, an exclusive prefix sum over the programs' counts;
//   3. padded sums: each expert's total rounded up to whole blocks, and a prefix sum over those;
//   4. scatter: every program writes the positions of its ids into the experts' regions.
//
// The programs run one after the other.

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <vector>

namespace {

constexpr int64_t PROGRAMS = 64;

// What one call works on. `ids` holds int32 or int64; `owners` is null where there is no expert_map.
struct Call {
    const void* ids;
    int64_t numel;
    int64_t block_size;
    int64_t num_experts;
    const int32_t* owners;
    int32_t* sorted_token_ids;
    int64_t slots;
    int32_t* expert_ids;
    int64_t blocks;
    int32_t* num_tokens_post_pad;
};

bool in_range(int64_t expert, int64_t num_experts) { return expert >= 0 && expert < num_experts; }

template <typename Id>
void align(const Call& call) {
    const Id* ids = static_cast<const Id*>(call.ids);
    const int64_t experts = call.num_experts;
    const int64_t chunk_size = (call.numel + PROGRAMS - 1) / PROGRAMS;

    // 1. How often each expert occurs in each chunk: [PROGRAMS, experts].
    std::vector<int64_t> counts(PROGRAMS * experts, 0);
    for (int64_t program = 0; program < PROGRAMS; ++program) {
        const int64_t first = program * chunk_size;
        const int64_t last = std::min(first + chunk_size, call.numel);
        for (int64_t position = first; position < last; ++position) {
            const int64_t expert = ids[position];
            if (in_range(expert, experts)) {
                counts[program * experts + expert] += 1;
            }
        }
    }

    // 2. How many pairs of an expert lie in the chunks before, and in all of them.
    std::vector<int64_t> totals(experts, 0);
    for (int64_t expert = 0; expert < experts; ++expert) {
        for (int64_t program = 0; program < PROGRAMS; ++program) {
            const int64_t count = counts[program * experts + expert];
            counts[program * experts + expert] = totals[expert];
            totals[expert] += count;
        }
    }

    // 3. Where each expert's region starts and ends, in slots.
    std::vector<int64_t> starts(experts + 1, 0);
    for (int64_t expert = 0; expert < experts; ++expert) {
        const int64_t padded = (totals[expert] + call.block_size - 1) / call.block_size * call.block_size;
        starts[expert + 1] = starts[expert] + padded;
    }
    *call.num_tokens_post_pad = static_cast<int32_t>(starts[experts]);

    // 4. The result without any pair in it, then the owner of each block in use, then the pairs.
    std::fill(call.sorted_token_ids, call.sorted_token_ids + call.slots, static_cast<int32_t>(call.numel));
    std::fill(call.expert_ids, call.expert_ids + call.blocks, -1);
    for (int64_t expert = 0; expert < experts; ++expert) {
        const int32_t owner = call.owners == nullptr ? static_cast<int32_t>(expert) : call.owners[expert];
        for (int64_t slot = starts[expert]; slot < starts[expert + 1]; slot += call.block_size) {
            call.expert_ids[slot / call.block_size] = owner;
        }
    }
    for (int64_t program = 0; program < PROGRAMS; ++program) {
        const int64_t first = program * chunk_size;
        const int64_t last = std::min(first + chunk_size, call.numel);
        for (int64_t position = first; position < last; ++position) {
            const int64_t expert = ids[position];
            if (in_range(expert, experts)) {
                const int64_t rank = counts[program * experts + expert]++;
                call.sorted_token_ids[starts[expert] + rank] = static_cast<int32_t>(position);
            }
        }
    }
}

template <typename Pointer>
Pointer pointer(unsigned long long address) {
    return reinterpret_cast<Pointer>(static_cast<uintptr_t>(address));
}

PyObject* py_align(PyObject*, PyObject* arguments) {
    unsigned long long ids, owners, sorted_token_ids, expert_ids, num_tokens_post_pad;
    long long id_bytes, numel, block_size, num_experts, slots, blocks;
    if (!PyArg_ParseTuple(arguments, "KLLLLKKLKLK:align", &ids, &id_bytes, &numel, &block_size, &num_experts, &owners,
                          &sorted_token_ids, &slots, &expert_ids, &blocks, &num_tokens_post_pad)) {
        return nullptr;
    }
    const Call call = {pointer<const void*>(ids),
                       numel,
                       block_size,
                       num_experts,
                       pointer<const int32_t*>(owners),
                       pointer<int32_t*>(sorted_token_ids),
                       slots,
                       pointer<int32_t*>(expert_ids),
                       blocks,
                       pointer<int32_t*>(num_tokens_post_pad)};
    try {
        if (id_bytes == 8) {
            align<int64_t>(call);
        } else {
            align<int32_t>(call);
        }
    } catch (const std::exception& error) {
        PyErr_SetString(PyExc_RuntimeError, error.what());
        return nullptr;
    }
    Py_RETURN_NONE;
}

PyMethodDef methods[] = {
    {"align", py_align, METH_VARARGS,
     "align(ids, id_bytes, numel, block_size, num_experts, owners, sorted_token_ids, slots, expert_ids, blocks, "
     "num_tokens_post_pad): fill the outputs. Tensors are given by address; owners may be 0."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_align", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__align() { return PyModule_Create(&definition); }

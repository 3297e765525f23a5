# The model RA: placeholder until the view machine is in: acts as SC.

cdef inline u64 view_read(Ops* ops, u32 index, int site, int order) noexcept nogil:
    note_read(ops, index, ops.machine.locations[index].version)
    return ops.machine.locations[index].value

cdef inline void view_write(
    Ops* ops, u32 location, u64 value, u64 mask, int site, int order
) noexcept nogil:
    write_through(ops, location, value, mask, site)

cdef inline void view_fence(Ops* ops, int order) noexcept nogil:
    pass

cdef inline u64 view_exchange_read(Ops* ops, u32 index, int site, int order) noexcept nogil:
    return ops.machine.locations[index].value

cdef inline void view_exchange_write(
    Ops* ops, u32 index, u64 value, int site, int order
) noexcept nogil:
    write_through(ops, index, value, ~<u64>0, site)

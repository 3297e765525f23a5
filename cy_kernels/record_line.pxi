# What a flight recorder's line says, and the checksum in it.

cdef extern from *:
    """
    #include <string.h>
    /* Words of 8 bytes, little-endian, the last one padded with zeros; multiply and fold. */
    static inline uint64_t sb_checksum(const uint8_t *bytes, uint64_t size) {
        uint64_t hash = 0x9e3779b97f4a7c15u ^ size, word;
        for (; size >= 8; bytes += 8, size -= 8) {
            memcpy(&word, bytes, 8);
            hash = (hash ^ word) * 0xff51afd7ed558ccdu;
            hash ^= hash >> 32;
        }
        word = 0;
        memcpy(&word, bytes, size);
        hash = (hash ^ word) * 0xff51afd7ed558ccdu;
        return hash ^ (hash >> 32);
    }
    """
    u64 checksum_bytes "sb_checksum"(const u8* data, u64 size) noexcept nogil

cdef enum:  # Record.type
    INVOKE_TYPE = 0
    OK_TYPE = 1
    FAIL_TYPE = 2
    INFO_TYPE = 3

cdef enum:  # Record.function
    SEND_FUNCTION = 0
    RECEIVE_FUNCTION = 1

cdef enum:  # Record.outcome
    NO_OUTCOME = 0
    TIMEOUT_OUTCOME = 1
    ENDED_OUTCOME = 2
    CLOSED_OUTCOME = 3
    RAISED_OUTCOME = 4
    EVICTED_OUTCOME = 5
    FENCED_OUTCOME = 6
    ERROR_OUTCOME = 7

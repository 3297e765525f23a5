# Which instruction that waits on memory stands at an address, if any. Reads no byte past the first
# that makes the answer "none", and none past `available`.
#
#   umonitor  F3 [REX] 0F AE /6, mod 11    monitorx  0F 01 FA
#   umwait    F2 [REX] 0F AE /6, mod 11    mwaitx    0F 01 FB
#   tpause    66 [REX] 0F AE /6, mod 11    a marker  0F 0B, directly before any of them
#
# Without a mandatory prefix 0F AE /6 is MFENCE, and with mod other than 11 it is CLWB and its kin.
# Address-size and segment prefixes are not taken: no code of ours has them.

cdef extern from *:
    """
    typedef struct {
        int instruction;           /* -1: none */
        int length;                /* with its marker */
        int operand;               /* the number of the register that it names: 0 is rax */
    } sb_decoded;

    enum { SB_LENGTH_MAX = 7 };

    static sb_decoded sb_decode(const uint8_t *at, size_t available) {
        sb_decoded none = {-1, 0, 0}, found = {-1, 0, 0};
        size_t i = 0;
        uint8_t prefix;
    #define SB_NEXT(byte) (i < available && at[i] == (byte) && ++i)
        if (available >= 2 && at[0] == 0x0f && at[1] == 0x0b) i = 2;
        if (i >= available) return none;
        prefix = at[i];
        if (prefix == 0x0f) {
            i++;
            if (!SB_NEXT(0x01)) return none;
            if (SB_NEXT(0xfa)) found.instruction = SB_MONITORX;
            else if (SB_NEXT(0xfb)) found.instruction = SB_MWAITX;
            found.length = (int)i;
            return found.instruction < 0 ? none : found;
        }
        if (prefix == 0xf3) found.instruction = SB_UMONITOR;
        else if (prefix == 0xf2) found.instruction = SB_UMWAIT;
        else if (prefix == 0x66) found.instruction = SB_TPAUSE;
        else return none;
        i++;
        if (i < available && (at[i] & 0xf0) == 0x40) found.operand = (at[i++] & 1) << 3;
        if (!SB_NEXT(0x0f) || !SB_NEXT(0xae)) return none;
        if (i >= available || (at[i] & 0xf8) != 0xf0) return none;
        found.operand |= at[i] & 7;
        found.length = (int)i + 1;
        return found;
    #undef SB_NEXT
    }
    """
    ctypedef struct Decoded "sb_decoded":
        int instruction
        int length
        int operand
    Decoded decode_at "sb_decode"(const u8* at, size_t available) noexcept nogil

// What the kernels share: the tables, and the check of a vector.
//
// The errors of UTF-8 show in two neighbouring bytes, but for the number of
// continuation bytes after a lead. Each is one bit in a byte:
//
//	01 too short    a lead, then no continuation
//	02 too long     ASCII, then a continuation
//	04 overlong     E0 80..9F
//	08 too large    F4 90..BF; F5..FF 90..BF
//	10 surrogate    ED A0..BF
//	20 overlong     C0..C1 80..BF
//	40 overlong     F0 80..8F, and too large: F5..FF 80..8F
//	80 two          a continuation, then another
//
// Three tables of sixteen say which of them the high half of the first byte, its
// low half and the high half of the second byte allow; what all three allow is
// there. Two continuations are no error if, and only if, the first byte of three
// or four stands two bytes before, or of four three bytes before: that is the
// last bit, turned over. (J. Keiser and D. Lemire, Validating UTF-8 in less than
// one instruction per byte, 2021.)

// By the high half of the first byte.
DATA tables<>+0(SB)/8, $0x0202020202020202
DATA tables<>+8(SB)/8, $0x4915012180808080

// By its low half.
DATA tables<>+16(SB)/8, $0xCBCBCB8B8383A3E7
DATA tables<>+24(SB)/8, $0xCBCBDBCBCBCBCBCB

// By the high half of the second byte.
DATA tables<>+32(SB)/8, $0x0101010101010101
DATA tables<>+40(SB)/8, $0x01010101BABAAEE6

// The low half of a byte; what is taken from one so that E0, or F0, is the first
// which keeps the top bit; the top bit.
DATA tables<>+48(SB)/8, $0x0F0F0F0F0F0F0F0F
DATA tables<>+56(SB)/8, $0x0F0F0F0F0F0F0F0F
DATA tables<>+64(SB)/8, $0x6060606060606060
DATA tables<>+72(SB)/8, $0x6060606060606060
DATA tables<>+80(SB)/8, $0x7070707070707070
DATA tables<>+88(SB)/8, $0x7070707070707070
DATA tables<>+96(SB)/8, $0x8080808080808080
DATA tables<>+104(SB)/8, $0x8080808080808080

// The largest bytes that a text may end with.
DATA tables<>+112(SB)/8, $0xFFFFFFFFFFFFFFFF
DATA tables<>+120(SB)/8, $0xBFDFEFFFFFFFFFFF
GLOBL tables<>(SB), RODATA|NOPTR, $128

// CHECK sets S to the errors in the vector C, given the vectors that begin one,
// two and three bytes before it in P1, P2 and P3, which it overwrites.
#define CHECK(C, P1, P2, P3, S, T1, T2, T3, LOW, E0, F0, HIGH) \
	VPSRLW   $4, P1, S;    \
	VPAND    LOW, S, S;    \
	VPSHUFB  S, T1, S;     \
	VPAND    LOW, P1, P1;  \
	VPSHUFB  P1, T2, P1;   \
	VPAND    P1, S, S;     \
	VPSRLW   $4, C, P1;    \
	VPAND    LOW, P1, P1;  \
	VPSHUFB  P1, T3, P1;   \
	VPAND    P1, S, S;     \
	VPSUBUSB E0, P2, P2;   \
	VPSUBUSB F0, P3, P3;   \
	VPOR     P2, P3, P2;   \
	VPAND    HIGH, P2, P2; \
	VPXOR    P2, S, S

// CHECKY and CHECKX check 32 and 16 bytes. An operation on 16 bytes clears the
// rest of the register, so that Y12 and not S is added to the errors in Y7.
#define CHECKY CHECK(Y8, Y9, Y10, Y11, Y12, Y0, Y1, Y2, Y3, Y4, Y5, Y6); VPOR Y12, Y7, Y7
#define CHECKX CHECK(X8, X9, X10, X11, X12, X0, X1, X2, X3, X4, X5, X6); VPOR Y12, Y7, Y7

//go:build arm64 && !purego

#include "textflag.h"

// What it buys: 64 bytes of ASCII, or 16 bytes of anything, at a time, by the plan
// of valid_amd64.s. Only its results have been verified, on an emulator; there are
// no figures for it yet.

// The tables are those of valid_amd64.s, where they are explained.
DATA tables<>+0(SB)/8, $0x0202020202020202
DATA tables<>+8(SB)/8, $0x4915012180808080
DATA tables<>+16(SB)/8, $0xCBCBCB8B8383A3E7
DATA tables<>+24(SB)/8, $0xCBCBDBCBCBCBCBCB
DATA tables<>+32(SB)/8, $0x0101010101010101
DATA tables<>+40(SB)/8, $0x01010101BABAAEE6
DATA tables<>+48(SB)/8, $0xFFFFFFFFFFFFFFFF
DATA tables<>+56(SB)/8, $0xBFDFEFFFFFFFFFFF
GLOBL tables<>(SB), RODATA|NOPTR, $64

// CHECK adds to V7 the errors of the vector V8, given the vectors that begin one,
// two and three bytes before it in V9, V10 and V11. x is at least 0xE0 if and only
// if x and x-0x60 both have the top bit, and 0xF0 with x-0x70.
#define CHECK \
	VUSHR $4, V9.B16, V12.B16;        \
	VTBL  V12.B16, [V0.B16], V12.B16; \
	VAND  V3.B16, V9.B16, V9.B16;     \
	VTBL  V9.B16, [V1.B16], V9.B16;   \
	VUSHR $4, V8.B16, V13.B16;        \
	VTBL  V13.B16, [V2.B16], V13.B16; \
	VAND  V9.B16, V12.B16, V12.B16;   \
	VAND  V13.B16, V12.B16, V12.B16;  \
	VSUB  V4.B16, V10.B16, V14.B16;   \
	VAND  V14.B16, V10.B16, V10.B16;  \
	VSUB  V5.B16, V11.B16, V15.B16;   \
	VAND  V15.B16, V11.B16, V11.B16;  \
	VORR  V10.B16, V11.B16, V10.B16;  \
	VAND  V6.B16, V10.B16, V10.B16;   \
	VEOR  V10.B16, V12.B16, V12.B16;  \
	VORR  V12.B16, V7.B16, V7.B16

// CHECKAT is CHECK for the vector at off(R0).
#define CHECKAT(off) \
	FMOVQ off+0(R0), F8;  \
	FMOVQ off-1(R0), F9;  \
	FMOVQ off-2(R0), F10; \
	FMOVQ off-3(R0), F11; \
	CHECK

// CHECKAFTER is CHECK for V8, which stands behind the vector B.
#define CHECKAFTER(B) \
	VEXT $15, V8.B16, B, V9.B16;  \
	VEXT $14, V8.B16, B, V10.B16; \
	VEXT $13, V8.B16, B, V11.B16; \
	CHECK

// ANY sets R5 to what is not zero if any bit of V is.
#define ANY(V) \
	VMOV V.D[0], R5; \
	VMOV V.D[1], R6; \
	ORR  R6, R5, R5

// func validNEON(p *byte, n int) (ok bool)
TEXT ·validNEON(SB), NOSPLIT, $0-17
	MOVD  p+0(FP), R0
	MOVD  n+8(FP), R1
	ADD   R1, R0, R2                             // the end
	MOVD  $0x8080808080808080, R7
	MOVD  $tables<>(SB), R3
	VLD1  (R3), [V0.B16, V1.B16, V2.B16, V3.B16]
	VMOV  V3.B16, V17.B16
	VMOVI $0x0F, V3.B16
	VMOVI $0x60, V4.B16
	VMOVI $0x70, V5.B16
	VMOVI $0x80, V6.B16
	VMOVI $0, V7.B16
	VMOVI $0, V16.B16
	CMP   $19, R1
	BLO   short

	// The first vector: zeros stand before it.
	FMOVQ (R0), F8
	CHECKAFTER(V16.B16)
	ADD   $16, R0
	SUB   $64, R2, R3
	CMP   R3, R0
	BHI   rest

block:
	FMOVQ -3(R0), F8
	FLDPQ (R0), (F9, F10)
	FLDPQ 32(R0), (F11, F12)
	VORR  V8.B16, V9.B16, V8.B16
	VORR  V10.B16, V11.B16, V10.B16
	VORR  V8.B16, V12.B16, V8.B16
	VORR  V8.B16, V10.B16, V8.B16
	ANY(V8)
	TST   R7, R5
	BEQ   next
	CHECKAT(0)
	CHECKAT(16)
	CHECKAT(32)
	CHECKAT(48)
	ANY(V7)
	CBNZ  R5, done

next:
	ADD $64, R0
	CMP R3, R0
	BLS block

rest:
	SUB $16, R2, R3
	CMP R3, R0
	BHI last

vector:
	CHECKAT(0)
	ADD $16, R0
	CMP R3, R0
	BLS vector

last:
	// Less than 16 bytes are left: the vector that ends with them is checked,
	// whose first bytes were checked before.
	MOVD R3, R0
	CHECKAT(0)

end:
	// No character may begin in V8 that does not end.
	VUMAX V17.B16, V8.B16, V9.B16
	VEOR  V17.B16, V9.B16, V9.B16
	VORR  V9.B16, V7.B16, V7.B16
	ANY(V7)

done:
	CMP  $0, R5
	CSET EQ, R5
	MOVB R5, ok+16(FP)
	RET

short:
	// Less than 19 bytes. R5 is the bytes after the first 8, or after the first 16,
	// and zeros behind them; for n = 8 it is the text once more, which is as good.
	MOVD (R0), R4
	MOVD -8(R2), R5
	MOVD $16, R6
	SUB  R1, R6, R6
	LSL  $3, R6, R6
	LSR  R6, R5, R5
	CMP  $16, R1
	BHI  over16
	VMOV R4, V8.D[0]
	VMOV R5, V8.D[1]
	CHECKAFTER(V16.B16)
	B    end

over16:
	FMOVQ (R0), F8
	CHECKAFTER(V16.B16)
	VMOV  V8.B16, V16.B16
	VMOVI $0, V8.B16
	VMOV  R5, V8.D[0]
	CHECKAFTER(V16.B16)
	B     end

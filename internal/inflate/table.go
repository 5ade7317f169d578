package inflate

const (
	litBits    = 10 // index bits of the tables
	distBits   = 8
	lengthBits = 7 // maximum length in the code length code

	// Subtables for longer codes follow a table. These are the maximum numbers
	// of entries of both, for 286 and for 30 symbols: see TestMostEntries.
	litSize  = 1332
	distSize = 400
)

// A table entry describes the code at the start of the bits that index it.
//
//	bit  31      a literal; in the code length code, symbols 16 to 18
//	bits 16-30   the literal, the base of a length or distance, or where the
//	             subtable begins; in the code length code, the symbol, and from
//	             bit 21 on, the minimum number of repetitions
//	bit  15      neither a literal nor a base: one of the next two, or if
//	             neither is set, an invalid code
//	bit  14      a subtable
//	bit  13      end of block
//	bits 8-11    length of the code; of a subtable: index bits
//	bits 0-7     total bits to consume: length of the code and the extra bits
const (
	isLiteral  = 1 << 31
	isRepeat   = 1 << 31
	isOther    = 1 << 15
	isSubtable = 1 << 14
	isEnd      = 1 << 13
)

// Entries of the symbols, before the length of their code is added to them.
var (
	litSymbols    = makeLitSymbols()
	distSymbols   = makeDistSymbols()
	lengthSymbols = makeCodeLengthSymbols()
)

// makeLitSymbols returns the table of RFC 1951, section 3.2.5, for lengths.
func makeLitSymbols() (t [288]uint32) {
	for i := range 256 {
		t[i] = isLiteral | uint32(i)<<16
	}
	t[endOfBlock] = isOther | isEnd
	base := uint32(3)
	for i := 257; i < 285; i++ {
		extra := uint32(max(0, (i-261)/4))
		t[i] = base<<16 | extra
		base += 1 << extra
	}
	t[285] = 258 << 16
	t[286], t[287] = isOther, isOther
	return t
}

// makeDistSymbols returns the table of RFC 1951, section 3.2.5, for distances.
func makeDistSymbols() (t [32]uint32) {
	base := uint32(1)
	for i := range 30 {
		extra := uint32(max(0, i/2-1))
		t[i] = base<<16 | extra
		base += 1 << extra
	}
	t[30], t[31] = isOther, isOther
	return t
}

// makeCodeLengthSymbols returns the symbols of RFC 1951, section 3.2.7.
func makeCodeLengthSymbols() (t [19]uint32) {
	for i := range t {
		t[i] = uint32(i) << 16
	}
	t[16] |= isRepeat | 3<<21 | 2
	t[17] |= isRepeat | 3<<21 | 3
	t[18] |= isRepeat | 11<<21 | 7
	return t
}

// withLength returns the entry of a symbol whose code has n bits.
func withLength(symbol uint32, n uint) uint32 { return symbol + uint32(n)<<8 + uint32(n) }

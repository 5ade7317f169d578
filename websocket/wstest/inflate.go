package wstest

import (
	"errors"
	"fmt"
)

// This is a decoder of DEFLATE (RFC 1951) for finding faults. Unlike other
// decoders, it reports the distance of each match.

var (
	errDeflateShort  = errors.New("the data ends inside a block")
	errDeflateType   = errors.New("invalid block type 3")
	errDeflateStored = errors.New("length of a stored block does not match its complement")
	errDeflateCodes  = errors.New("code lengths do not form a Huffman code")
	errDeflateSymbol = errors.New("undefined code")
)

// inflater decodes one message.
type inflater struct {
	in     []byte
	bit    uint // of in, the next one
	out    []byte
	start  int // of the message in out; the bytes before it are history
	window int // the largest distance
	limit  int // of the message
	far    int // the largest distance that was used
}

// run decodes blocks until the input is used up, and returns the message.
func (d *inflater) run() ([]byte, error) {
	for d.bit < uint(len(d.in))*8 {
		final, err := d.block()
		if err != nil {
			return nil, err
		}
		if final {
			d.align()
		}
	}
	return d.out[d.start:], nil
}

func (d *inflater) block() (final bool, err error) {
	head, err := d.bits(3)
	if err != nil {
		return false, err
	}
	switch head >> 1 {
	case 0:
		err = d.stored()
	case 1:
		err = d.compressed(fixedLiterals, fixedDistances)
	case 2:
		err = d.dynamic()
	default:
		err = errDeflateType
	}
	return head&1 == 1, err
}

func (d *inflater) align() { d.bit = (d.bit + 7) &^ 7 }

func (d *inflater) bits(n int) (v int, err error) {
	if d.bit+uint(n) > uint(len(d.in))*8 {
		return 0, errDeflateShort
	}
	for i := range n {
		v |= int(d.in[d.bit>>3]>>(d.bit&7)&1) << i
		d.bit++
	}
	return v, nil
}

func (d *inflater) stored() error {
	d.align()
	n, err := d.bits(16)
	if err != nil {
		return err
	}
	inverse, err := d.bits(16)
	switch at := int(d.bit >> 3); {
	case err != nil:
		return err
	case n != ^inverse&0xffff:
		return errDeflateStored
	case at+n > len(d.in):
		return errDeflateShort
	default:
		d.bit += uint(n) * 8
		return d.emit(d.in[at : at+n]...)
	}
}

func (d *inflater) emit(p ...byte) error {
	if len(d.out)-d.start+len(p) > d.limit {
		return fmt.Errorf("message exceeds %d bytes", d.limit)
	}
	d.out = append(d.out, p...)
	return nil
}

// compressed decodes the symbols of a block (RFC 1951, section 3.2.5).
func (d *inflater) compressed(literals, distances *code) error {
	for {
		s, err := literals.read(d)
		switch {
		case err != nil:
			return err
		case s < 256:
			if err := d.emit(byte(s)); err != nil {
				return err
			}
		case s == 256:
			return nil
		default:
			if err := d.match(s, distances); err != nil {
				return err
			}
		}
	}
}

func (d *inflater) match(symbol int, distances *code) error {
	length, err := d.extended(symbol-257, lengthBase[:])
	if err != nil {
		return err
	}
	s, err := distances.read(d)
	if err != nil {
		return err
	}
	distance, err := d.extended(s, distanceBase[:])
	switch {
	case err != nil:
		return err
	case distance > len(d.out):
		return fmt.Errorf("match distance %d exceeds the %d bytes before it", distance, len(d.out))
	case distance > d.window:
		return fmt.Errorf("match distance %d exceeds the window of %d bytes", distance, d.window)
	}
	d.far = max(d.far, distance)
	for range length {
		if err := d.emit(d.out[len(d.out)-distance]); err != nil {
			return err
		}
	}
	return nil
}

// base is the first value that a symbol stands for, and the number of bits to
// add.
type base struct{ value, bits int }

func (d *inflater) extended(symbol int, table []base) (int, error) {
	if symbol < 0 || symbol >= len(table) {
		return 0, errDeflateSymbol
	}
	more, err := d.bits(table[symbol].bits)
	return table[symbol].value + more, err
}

var lengthBase = func() (t [29]base) {
	value := 3
	for i := range t {
		bits := 0
		if i >= 8 {
			bits = i/4 - 1
		}
		t[i] = base{value, bits}
		value += 1 << bits
	}
	t[28] = base{258, 0}
	return t
}()

var distanceBase = func() (t [30]base) {
	value := 1
	for i := range t {
		bits := 0
		if i >= 4 {
			bits = i/2 - 1
		}
		t[i] = base{value, bits}
		value += 1 << bits
	}
	return t
}()

// code is a canonical Huffman code.
type code struct {
	count   [16]int // codes of each length
	symbols []int   // in the order of their codes
}

func newCode(lengths []byte) (*code, error) {
	c := new(code)
	for _, n := range lengths {
		c.count[n]++
	}
	c.count[0] = 0
	left := 1
	for n := 1; n < 16; n++ {
		if left = left<<1 - c.count[n]; left < 0 {
			return nil, errDeflateCodes
		}
	}
	for n := byte(1); n < 16; n++ {
		for s, l := range lengths {
			if l == n {
				c.symbols = append(c.symbols, s)
			}
		}
	}
	return c, nil
}

func (c *code) read(d *inflater) (int, error) {
	value, first, index := 0, 0, 0
	for n := 1; n < 16; n++ {
		b, err := d.bits(1)
		if err != nil {
			return 0, err
		}
		value |= b
		if value-first < c.count[n] {
			return c.symbols[index+value-first], nil
		}
		index += c.count[n]
		first = (first + c.count[n]) << 1
		value <<= 1
	}
	return 0, errDeflateSymbol
}

var fixedLiterals, fixedDistances = func() (*code, *code) {
	var lengths [288]byte
	for i := range lengths {
		lengths[i] = byte(fixedLength(i))
	}
	literals, _ := newCode(lengths[:])
	distances, _ := newCode([]byte{5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5})
	return literals, distances
}()

func fixedLength(symbol int) int {
	switch {
	case symbol < 144:
		return 8
	case symbol < 256:
		return 9
	case symbol < 280:
		return 7
	}
	return 8
}

// codeOrder is the order of the lengths of code lengths (RFC 1951, section
// 3.2.7).
var codeOrder = [19]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

func (d *inflater) dynamic() error {
	head, err := d.bits(14)
	if err != nil {
		return err
	}
	literals, distances, codes := head&31+257, head>>5&31+1, head>>10+4
	var lengths [19]byte
	for i := range codes {
		n, err := d.bits(3)
		if err != nil {
			return err
		}
		lengths[codeOrder[i]] = byte(n)
	}
	c, err := newCode(lengths[:])
	if err != nil {
		return err
	}
	all, err := d.codeLengths(c, literals+distances)
	if err != nil {
		return err
	}
	l, err := newCode(all[:literals])
	if err != nil {
		return err
	}
	r, err := newCode(all[literals:])
	if err != nil {
		return err
	}
	return d.compressed(l, r)
}

func (d *inflater) codeLengths(c *code, n int) ([]byte, error) {
	var all []byte
	for len(all) < n {
		s, err := c.read(d)
		if err != nil {
			return nil, err
		}
		if s < 16 {
			all = append(all, byte(s))
			continue
		}
		repeat := [3]base{{3, 2}, {3, 3}, {11, 7}}[s-16]
		more, err := d.bits(repeat.bits)
		if err != nil || s == 16 && len(all) == 0 {
			return nil, errDeflateCodes
		}
		value := byte(0)
		if s == 16 {
			value = all[len(all)-1]
		}
		for range repeat.value + more {
			all = append(all, value)
		}
	}
	if len(all) > n {
		return nil, errDeflateCodes
	}
	return all, nil
}

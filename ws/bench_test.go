package ws

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"testing"
)

// benchForms are headers of the three length encodings, masked and unmasked.
var benchForms = []Header{
	{Fin: true, OpCode: OpText, Length: 64},
	{Fin: true, OpCode: OpText, Length: 64, Masked: true, Mask: [4]byte{1, 2, 3, 4}},
	{Fin: true, OpCode: OpBinary, Length: 1024, Masked: true, Mask: [4]byte{1, 2, 3, 4}},
	{Fin: true, OpCode: OpBinary, Length: 1 << 20, Masked: true, Mask: [4]byte{1, 2, 3, 4}},
}

func formName(h Header) string { return fmt.Sprintf("length=%d/masked=%t", h.Length, h.Masked) }

// BenchmarkCopy64 is the reference: a copy of 64 bytes.
func BenchmarkCopy64(b *testing.B) {
	src, dst := make([]byte, 64), make([]byte, 64)
	for b.Loop() {
		copy(dst, src)
	}
}

func BenchmarkParseHeader(b *testing.B) {
	for _, h := range benchForms {
		b.Run(formName(h), func(b *testing.B) {
			p := AppendHeader(nil, h)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := ParseHeader(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendHeader(b *testing.B) {
	for _, h := range benchForms {
		b.Run(formName(h), func(b *testing.B) {
			p := make([]byte, 0, MaxHeaderSize)
			b.ReportAllocs()
			for b.Loop() {
				p = AppendHeader(p[:0], h)
			}
		})
	}
}

func BenchmarkCheckHeader(b *testing.B) {
	h := benchForms[1]
	for b.Loop() {
		if err := CheckHeader(h, StateServerSide); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadHeader(b *testing.B) {
	for _, h := range benchForms {
		p := bytes.Repeat(AppendHeader(nil, h), 1000)
		src := bytes.NewReader(p)
		br := bufio.NewReader(src)
		for name, r := range map[string]io.Reader{"bufio": br, "plain": onlyReader{src}} {
			b.Run(name+"/"+formName(h), func(b *testing.B) {
				b.ReportAllocs()
				src.Reset(nil)
				br.Reset(src)
				for b.Loop() {
					_, err := ReadHeader(r)
					if err == io.EOF {
						src.Reset(p)
						br.Reset(src)
					} else if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkWriteHeader(b *testing.B) {
	for _, h := range benchForms {
		for name, w := range map[string]io.Writer{"bufio": bufio.NewWriter(io.Discard), "plain": io.Discard} {
			b.Run(name+"/"+formName(h), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := WriteHeader(w, h); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkWriteFrame(b *testing.B) {
	for _, size := range []int{16, 1 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			f := NewBinaryFrame(make([]byte, size))
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				if err := WriteFrame(io.Discard, f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNewMask(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		NewMask()
	}
}

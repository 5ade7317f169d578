package httphead

import (
	"bufio"
	"bytes"
	"testing"
)

func BenchmarkRequestParse(b *testing.B) {
	p := []byte(chromeRequest)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	var r Request
	for b.Loop() {
		if _, err := r.Parse(p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRequestRead(b *testing.B) {
	for _, bench := range []struct {
		name string
		size int
	}{{"fits", 4096}, {"larger", 256}} {
		b.Run(bench.name, func(b *testing.B) {
			src := bytes.NewReader(nil)
			br := bufio.NewReaderSize(src, bench.size)
			p := []byte(chromeRequest)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			var r Request
			for b.Loop() {
				src.Reset(p)
				br.Reset(src)
				if err := r.Read(br); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkResponseParse(b *testing.B) {
	p := []byte(switching)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	var r Response
	for b.Loop() {
		if _, err := r.Parse(p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEnd(b *testing.B) {
	p := []byte(chromeRequest)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		if End(p, 0) != len(p) {
			b.Fatal("not found")
		}
	}
}

func BenchmarkFields(b *testing.B) {
	var r Request
	if _, err := r.Parse([]byte(chromeRequest)); err != nil {
		b.Fatal(err)
	}
	f := r.Fields
	for _, bench := range []struct {
		name string
		work func() bool
	}{
		{"Value/last", func() bool { _, ok := f.Value("Sec-WebSocket-Protocol"); return ok }},
		{"Count", func() bool { return f.Count("Sec-WebSocket-Key") == 1 }},
		{"HasToken", func() bool { return f.HasToken("Connection", "upgrade") }},
		{"Options", func() bool {
			n := 0
			for range f.Options("Sec-WebSocket-Extensions") {
				n++
			}
			return n == 1
		}},
		{"Cookies", func() bool {
			n := 0
			for range f.Cookies() {
				n++
			}
			return n == 2
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !bench.work() {
					b.Fatal("wrong answer")
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	offer := []Option{NewOption("permessage-deflate", map[string]string{"client_max_window_bits": "", "server_max_window_bits": "10"})}
	buf := make([]byte, 0, 512)
	for _, bench := range []struct {
		name string
		work func() ([]byte, error)
	}{
		{"Field/string", func() ([]byte, error) { return AppendField(buf, "Sec-WebSocket-Protocol", "chat.v2") }},
		{"Options", func() ([]byte, error) { return AppendOptions(buf, offer) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bench.work(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package ws

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
)

// In steady state nothing here allocates.
func TestNothingAllocates(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(chromeRequest)))
	require.NoError(t, err)
	conn := &discardConn{}
	hijacker := &benchHijacker{conn: conn, rw: bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn))}
	check := func(name string, work func() error) {
		t.Helper()
		require.NoError(t, work(), name)
		require.Zero(t, testing.AllocsPerRun(200, func() {
			if err := work(); err != nil {
				t.Fatal(err)
			}
		}), name)
	}
	check("UpgradeHTTP", func() error { _, _, _, err := UpgradeHTTP(request, hijacker); return err })
	check("NewMask", func() error { NewMask(); return nil })
	for _, h := range benchForms {
		wire := AppendHeader(nil, h)
		src := bytes.NewReader(nil)
		br, bw := bufio.NewReader(src), bufio.NewWriter(io.Discard)
		full := bufio.NewWriterSize(io.Discard, 16)
		out := make([]byte, 0, MaxHeaderSize)
		plain := io.Reader(onlyReader{src})
		name := formName(h)
		check("AppendHeader "+name, func() error { out = AppendHeader(out[:0], h); return nil })
		check("ParseHeader "+name, func() error { _, _, err := ParseHeader(wire); return err })
		check("CheckHeader "+name, func() error { return CheckHeader(h, 0) })
		check("ReadHeader, bufio, "+name, func() error {
			src.Reset(wire)
			br.Reset(src)
			_, err := ReadHeader(br)
			return err
		})
		check("ReadHeader, plain, "+name, func() error { src.Reset(wire); _, err := ReadHeader(plain); return err })
		check("WriteHeader, bufio, "+name, func() error { return WriteHeader(bw, h) })
		check("WriteHeader, full bufio, "+name, func() error { return WriteHeader(full, h) })
		check("WriteHeader, plain, "+name, func() error { return WriteHeader(io.Discard, h) })
	}
	for _, size := range []int{0, 125, 1 << 10, 1 << 20} {
		f := NewBinaryFrame(make([]byte, size))
		check(fmt.Sprint("WriteFrame ", size), func() error { return WriteFrame(io.Discard, f) })
	}
}

// Two sources of mask keys are independent: each has its own seed from the
// operating system.
func TestKeySourcesDiffer(t *testing.T) {
	a, b := newKeySource(), newKeySource()
	for range 4 {
		require.NotEqual(t, a.Uint64(), b.Uint64())
	}
}

// Excess bits of a field are cut off, and negative sizes count as 0.
func TestOddArguments(t *testing.T) {
	require.Equal(t, []byte{0x7f, 0}, AppendHeader(nil, Header{Rsv: 0xff, OpCode: 0xff}))
	_, err := Upgrader{ReadBufferSize: -1, WriteBufferSize: -1}.Upgrade(scripted(chromeRequest))
	require.NoError(t, err)
	_, _, err = Dialer{ReadBufferSize: -1, WriteBufferSize: -1}.Upgrade(&fakeServer{answer: goodAnswer + "\r\n"}, target(t, "ws://a.example/"))
	require.NoError(t, err)
}

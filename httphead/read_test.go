package httphead

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// pieces yields each of its strings in a read of its own.
type pieces []string

func (s *pieces) Read(p []byte) (int, error) {
	if len(*s) == 0 {
		return 0, io.EOF
	}
	n := copy(p, (*s)[0])
	if (*s)[0] = (*s)[0][n:]; (*s)[0] == "" {
		*s = (*s)[1:]
	}
	return n, nil
}

// requireSame fails if r is not what Parse makes of in.
func requireSame(t *testing.T, in string, r *Request) {
	t.Helper()
	var want Request
	_, err := want.Parse([]byte(in))
	require.NoError(t, err)
	require.Equal(t, want.Method, r.Method)
	require.Equal(t, want.Target, r.Target)
	require.Equal(t, want.Fields, r.Fields)
}

func TestReadAtEverySplit(t *testing.T) {
	const behind = "\x81\x85abcd....."
	for _, size := range []int{16, 100, 4096} { // bufio's least; smaller and larger than the head
		for i := 1; i <= len(chromeRequest)+len(behind); i++ {
			in := chromeRequest + behind
			br := bufio.NewReaderSize(&pieces{in[:i], in[i:]}, size)
			var r Request
			require.NoError(t, r.Read(br), "split at %d", i)
			requireSame(t, chromeRequest, &r)
			rest, err := io.ReadAll(br)
			require.NoError(t, err)
			require.Equal(t, behind, string(rest), "split at %d", i)
		}
	}
}

func TestReadOneByteAtATime(t *testing.T) {
	for _, size := range []int{16, 4096} {
		src := strings.NewReader(chromeRequest + chromeRequest + switching + "rest")
		br := bufio.NewReaderSize(iotest.OneByteReader(src), size)
		var req Request
		for range 2 {
			require.NoError(t, req.Read(br))
			requireSame(t, chromeRequest, &req)
		}
		var resp Response
		require.NoError(t, resp.Read(br))
		require.Equal(t, 101, resp.Status)
		require.Len(t, resp.Fields, 4)
		rest, err := io.ReadAll(br)
		require.NoError(t, err)
		require.Equal(t, "rest", string(rest))
	}
}

func TestReadHeadOfExactlyTheBuffer(t *testing.T) {
	for _, delta := range []int{-1, 0, 1} {
		br := bufio.NewReaderSize(strings.NewReader(chromeRequest+"behind"), len(chromeRequest)+delta)
		var r Request
		require.NoError(t, r.Read(br))
		requireSame(t, chromeRequest, &r)
		rest, _ := io.ReadAll(br)
		require.Equal(t, "behind", string(rest))
	}
}

func TestReadViewsIntoTheBuffer(t *testing.T) {
	br := bufio.NewReader(strings.NewReader(chromeRequest))
	p, err := br.Peek(3)
	require.NoError(t, err)
	var r Request
	require.NoError(t, r.Read(br))
	require.Same(t, &p[0], &r.Method[0])
}

func TestReadLargeHeadsKeepTheirMemory(t *testing.T) {
	src := strings.NewReader("")
	br := bufio.NewReaderSize(src, 64)
	var r Request
	read := func() {
		src.Reset(chromeRequest)
		require.NoError(t, r.Read(br))
	}
	read()
	first := &r.Method[0]
	read()
	require.Same(t, first, &r.Method[0])
}

func TestReadEndOfStream(t *testing.T) {
	for _, size := range []int{16, 4096} {
		for i := range len(chromeRequest) {
			for _, stream := range []io.Reader{
				strings.NewReader(chromeRequest[:i]),
				iotest.OneByteReader(strings.NewReader(chromeRequest[:i])),
				iotest.DataErrReader(strings.NewReader(chromeRequest[:i])),
			} {
				want := io.ErrUnexpectedEOF
				if i == 0 {
					want = io.EOF
				}
				var r Request
				require.Equal(t, want, r.Read(bufio.NewReaderSize(stream, size)), "after %d bytes", i)
				require.Empty(t, r.scratch)
			}
		}
		// An io.EOF together with the last bytes is not an error of the head.
		var r Request
		require.NoError(t, r.Read(bufio.NewReaderSize(iotest.DataErrReader(strings.NewReader(chromeRequest)), size)))
	}
}

func TestReadKeepsTheErrorOfTheStream(t *testing.T) {
	broken := errors.New("broken")
	for _, size := range []int{16, 4096} {
		for _, i := range []int{0, 1, 100} {
			stream := io.MultiReader(strings.NewReader(chromeRequest[:i]), iotest.ErrReader(broken))
			var r Request
			require.Equal(t, broken, r.Read(bufio.NewReaderSize(stream, size)))
		}
	}
}

// endless returns its bytes and then fails the test, because a reader that
// continues would hang on a connection.
func endless(t *testing.T, in string, oneByte bool) io.Reader {
	var src io.Reader = strings.NewReader(in)
	if oneByte {
		src = iotest.OneByteReader(src)
	}
	return io.MultiReader(src, readerFunc(func([]byte) (int, error) {
		t.Errorf("still reading behind %q", in)
		return 0, io.EOF
	}))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// RFC 9112, section 2.2: what no head may hold is refused as it arrives.
func TestReadRefusesPromptly(t *testing.T) {
	for _, c := range []struct {
		in   string
		want error
	}{
		{"GET / HTTP/1.1\n", ErrLineEnd},
		{"GET / HTTP/1.1\r\nHost: x\n", ErrLineEnd},
		{"GET / HTTP/1.1\r\nHost: x\r\n\n", ErrLineEnd},
		{"\n", ErrLineEnd},
		{"\r\n\n", ErrLineEnd},
		{"\r\n\r\n", ErrRequestLine},
		{"GET / HTTP/1.1\r\nHost: x\rX", ErrLineEnd},
		{"GET / HTTP/1.1\r\n\rX", ErrLineEnd},
		{"GET / HTTP/1.1\r\nHost: x\x00", ErrFieldValue},
		{"GET / HTTP/1.1\r\nHo\x00", ErrFieldName},
		{"\x16\x03\x01", ErrRequestLine}, // TLS
		{"GET /\x7f", ErrRequestLine},
	} {
		for _, size := range []int{16, 4096} {
			for _, oneByte := range []bool{true, false} {
				var r Request
				require.Equal(t, c.want, r.Read(bufio.NewReaderSize(endless(t, c.in, oneByte), size)), "%q", c.in)
			}
		}
	}
}

func TestReadEndsAtTheLimit(t *testing.T) {
	for _, size := range []int{16, 64, 4096} {
		for _, oneByte := range []bool{true, false} {
			for _, c := range []struct {
				in   string
				want error
			}{
				{strings.Repeat("G", 100), ErrStartLineTooLong},
				{"GET / HTTP/1.1\r\n" + strings.Repeat("A", 84), ErrHeadTooLarge},
				{"GET / HTTP/1.1\r\nA:" + strings.Repeat(" ", 82), ErrHeadTooLarge},
			} {
				r := Request{Limits: Limits{MaxBytes: 100}}
				require.Equal(t, c.want, r.Read(bufio.NewReaderSize(endless(t, c.in, oneByte), size)))
				require.LessOrEqual(t, cap(r.scratch), 512)
			}
		}
	}
	// A head of exactly the limit is accepted.
	for _, size := range []int{16, 4096} {
		r := Request{Limits: Limits{MaxBytes: len(chromeRequest)}}
		require.NoError(t, r.Read(bufio.NewReaderSize(endless(t, chromeRequest, true), size)))
		r.Limits.MaxBytes--
		require.Equal(t, ErrHeadTooLarge, r.Read(bufio.NewReaderSize(strings.NewReader(chromeRequest), size)))
	}
}

// A head of 4 MiB in steps of one byte: the work is linear, or this takes hours.
func TestReadLargeHeadOneByteAtATime(t *testing.T) {
	in := head("A: " + strings.Repeat("\t", 4<<20) + "b\r\n")
	for _, size := range []int{16, 8 << 20} {
		r := Request{Limits: Limits{MaxBytes: -1}}
		require.NoError(t, r.Read(bufio.NewReaderSize(iotest.OneByteReader(strings.NewReader(in)), size)))
		require.Equal(t, "b", string(r.Fields[1].Value))
	}
}

func TestEnd(t *testing.T) {
	for _, c := range []struct {
		in   string
		want int
	}{
		{"", -1}, {"\r", -1}, {"\r\n", -1}, {"\r\n\r", -1}, {"\r\n\r\n", 4},
		{"a\r\n\r\nb", 5}, {"a\r\nb\r\n\r\nc\r\n\r\n", 8},
		{"a\tb\r\n\t\r\n", -1}, {"a\xffb\r\n", -1},
		{"\n", 1}, {"a\nb", 2}, {"a\r\n\nb", 4}, {"a\rb", 3}, {"a\r\rb", 3}, {"ab\x00c", 3}, {"ab\x7fc", 3}, {"12345678\x1f", 9},
	} {
		require.Equal(t, c.want, End([]byte(c.in), 0), "%q", c.in)
		require.Equal(t, c.want, End([]byte(c.in), -1), "%q", c.in)
		require.Equal(t, -1, End([]byte(c.in), len(c.in)+1))
		stepwise(t, []byte(c.in), c.want)
	}
	stepwise(t, []byte(chromeRequest+"behind"), len(chromeRequest))
	stepwise(t, []byte("\r\n"+chromeRequest), len(chromeRequest)+2)
}

// stepwise requires that a search in steps, whatever they are, ends where a
// search of the whole ends.
func stepwise(t *testing.T, p []byte, want int) {
	t.Helper()
	for step := 1; step <= len(p); step++ {
		end, from := -1, 0
		for n := step; end < 0 && from < len(p); n += step {
			n = min(n, len(p))
			end = End(p[:n:n], from)
			from = n
		}
		require.Equal(t, want, end, "%q in steps of %d", p, step)
	}
}

func TestEndLooksAtEachByteOnce(t *testing.T) {
	p := bytes.Repeat([]byte("a: b\r\n"), 1000)
	poisoned := bytes.Clone(p)
	for i := range poisoned[:len(p)-2] {
		poisoned[i] = 0 // would be found if it were looked at again
	}
	require.Equal(t, -1, End(p, 0))
	require.Equal(t, len(p)+2, End(append(poisoned, "\r\n"...), len(p)))
}

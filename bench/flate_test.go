package bench

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
)

// eachFlate runs one row for each content, size and way, with a sub-benchmark
// for every library and engine that has the work.
func eachFlate(b *testing.B, has func(f Flate) bool, run func(b *testing.B, f Flate, takeover bool, messages [][]byte)) {
	for _, c := range contents {
		for _, size := range c.sizes {
			messages := c.messages(size)
			for _, takeover := range bothContexts {
				b.Run(fmt.Sprintf("content=%s/size=%d/takeover=%t", c.name, size, takeover), func(b *testing.B) {
					for _, f := range Flates {
						if !has(f) || !knows(f, takeover) || f.JSON && c.name != "json" {
							continue
						}
						b.Run("lib="+f.Name, func(b *testing.B) {
							b.SetBytes(int64(size))
							b.ReportAllocs()
							run(b, f, takeover, messages)
						})
					}
				})
			}
		}
	}
}

func knows(f Flate, takeover bool) bool {
	return f.Contexts[0] == takeover || len(f.Contexts) == 2
}

// Beside the time stands the ratio: bytes written by bytes of messages, headers
// of frames included where there are frames.
func BenchmarkFlateCompress(b *testing.B) {
	eachFlate(b, func(f Flate) bool { return f.Compress != nil }, func(b *testing.B, f Flate, takeover bool, messages [][]byte) {
		conn := new(Conn)
		job, err := f.Compress(conn, takeover, messages)
		require.NoError(b, err)
		require.NoError(b, job(len(messages))) // fills the window
		conn.Keep, conn.Sent = true, nil
		require.NoError(b, job(len(messages)))
		conn.Keep = false
		b.ResetTimer()
		err = job(b.N)
		b.StopTimer()
		require.NoError(b, err)
		b.ReportMetric(float64(len(conn.Sent))/float64(len(messages)*len(messages[0])), "ratio")
	})
}

func BenchmarkFlateDecompress(b *testing.B) {
	eachFlate(b, func(f Flate) bool { return f.Decompress != nil }, func(b *testing.B, f Flate, takeover bool, messages [][]byte) {
		all, err := payloads(messages, takeover)
		require.NoError(b, err)
		conn := new(Conn)
		job, err := f.Decompress(conn, takeover, all, len(messages[0]), func([]byte) {})
		require.NoError(b, err)
		conn.Replay(compressedFrames(all), (b.N-1)/len(all)+1, false)
		b.ResetTimer()
		err = job(b.N)
		b.StopTimer()
		require.NoError(b, err)
	})
}

// What compressing or decompressing holds between messages, for one connection:
// of a library with the connection itself and its buffers. An operation opens
// connections and uses each for some messages.
func BenchmarkFlateHeld(b *testing.B) {
	const conns = 32
	messages := contents[0].messages(512)
	all, err := payloads(messages, true)
	require.NoError(b, err)
	alone, err := payloads(messages, false)
	require.NoError(b, err)
	ways := map[string]func(f Flate, takeover bool, conn *Conn) (Job, error){
		"compress": func(f Flate, takeover bool, conn *Conn) (Job, error) {
			return f.Compress(conn, takeover, messages)
		},
		"decompress": func(f Flate, takeover bool, conn *Conn) (Job, error) {
			if f.Decompress == nil || f.Name == "gws" { // it continues until the end of the connection
				return nil, nil
			}
			p := alone
			if takeover {
				p = all
			}
			job, err := f.Decompress(conn, takeover, p, 512, func([]byte) {})
			conn.Replay(compressedFrames(p), 2, false)
			return job, err
		},
	}
	for _, way := range []string{"compress", "decompress"} {
		for _, takeover := range bothContexts {
			b.Run(fmt.Sprintf("way=%s/takeover=%t", way, takeover), func(b *testing.B) {
				for _, f := range Flates {
					if job, _ := ways[way](f, takeover, new(Conn)); job == nil || !knows(f, takeover) {
						continue
					}
					b.Run("lib="+f.Name, func(b *testing.B) {
						var held int64
						for range b.N {
							held = heldBy(b, conns, len(messages)+30, func(conn *Conn) (Job, error) { return ways[way](f, takeover, conn) })
						}
						b.ReportMetric(float64(held)/conns, "held-B")
					})
				}
			})
		}
	}
}

// heldBy returns how much the heap grows by n connections that are open and
// have done times messages each.
func heldBy(b *testing.B, n, times int, open func(conn *Conn) (Job, error)) int64 {
	conns, jobs := make([]*Conn, n), make([]Job, n)
	for i := range conns {
		conns[i] = new(Conn) // not part of it
	}
	before := heap()
	for i := range jobs {
		job, err := open(conns[i])
		require.NoError(b, err)
		require.NoError(b, job(times))
		conns[i].block, conns[i].Sent = nil, nil
		jobs[i] = job
	}
	after := heap()
	runtime.KeepAlive(conns)
	runtime.KeepAlive(jobs)
	return after - before
}

func heap() int64 {
	var m runtime.MemStats
	for range 3 { // the second one empties the pools
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// The data in the rows must be right.
func TestFlateJobs(t *testing.T) {
	sampled := 40
	if race.Enabled {
		sampled = 2
	}
	for _, c := range contents {
		for _, size := range c.sizes[:len(c.sizes)-1] {
			messages := c.messages(size)
			messages = messages[:min(len(messages), sampled)]
			require.Len(t, messages[0], size)
			for _, takeover := range bothContexts {
				for _, f := range Flates {
					if !knows(f, takeover) {
						continue
					}
					t.Run(fmt.Sprintf("%s/%d/%t/%s", c.name, size, takeover, f.Name), func(t *testing.T) {
						testCompress(t, f, takeover, messages)
						if f.Decompress != nil {
							testDecompress(t, f, takeover, messages)
						}
					})
				}
			}
		}
	}
}

func testCompress(t *testing.T, f Flate, takeover bool, messages [][]byte) {
	conn := new(Conn)
	job, err := f.Compress(conn, takeover, messages)
	require.NoError(t, err)
	conn.Keep, conn.Sent = true, nil
	var past []byte
	for range 2 {
		for i, m := range messages {
			conn.Sent = conn.Sent[:0]
			require.NoError(t, job(1))
			payload, compressed := unframe(t, conn.Sent, len(m), f)
			if compressed {
				r := flate.NewReaderDict(io.MultiReader(bytes.NewReader(payload), bytes.NewReader(deflateTail), bytes.NewReader([]byte(finalBlock))), past)
				payload, err = io.ReadAll(r)
				require.NoError(t, err, "message %d", i)
				if takeover {
					past = append(past, payload...)
					past = bytes.Clone(past[max(0, len(past)-32<<10):])
				}
			}
			require.True(t, bytes.Equal(m, payload), "message %d", i)
		}
	}
}

// unframe returns the payload of what was sent, and whether it is compressed.
func unframe(t *testing.T, sent []byte, size int, f Flate) (payload []byte, compressed bool) {
	switch f.Name {
	case "wskit-engine":
		return sent, len(sent) < size
	case "wskit", "gobwas", "gorilla", "coder", "gws":
		h := ws.Header{}
		for first := true; !h.Fin; first = false {
			var n int
			var err error
			h, n, err = ws.ParseHeader(sent)
			require.NoError(t, err)
			if first {
				compressed = h.Rsv1()
			}
			payload = append(payload, sent[n:n+int(h.Length)]...)
			sent = sent[n+int(h.Length):]
		}
		require.Empty(t, sent)
		return payload, compressed
	}
	return sent, true
}

func testDecompress(t *testing.T, f Flate, takeover bool, messages [][]byte) {
	all, err := payloads(messages, takeover)
	require.NoError(t, err)
	conn, n := new(Conn), 0
	job, err := f.Decompress(conn, takeover, all, len(messages[0]), func(p []byte) {
		require.True(t, bytes.Equal(messages[n%len(messages)], p), "message %d", n)
		n++
	})
	require.NoError(t, err)
	conn.Replay(compressedFrames(all), 2, false)
	require.NoError(t, job(2*len(messages)))
	require.Equal(t, 2*len(messages), n)
}

package bench

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/wskit/wskit/ws"
)

// each runs one row, with a sub-benchmark for every library that has the work.
// What prepare does is not measured.
func each(b *testing.B, has func(l Library) bool, prepare func(b *testing.B, l Library) Job) {
	for _, l := range append(Libraries, Limit) {
		if !has(l) {
			continue
		}
		b.Run("lib="+l.Name, func(b *testing.B) {
			job := prepare(b, l)
			b.ReportAllocs()
			b.ResetTimer()
			if err := job(b.N); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
		})
	}
}

// calls reports what was called of conn since now, for each operation. It is
// run when the benchmark ends.
func calls(b *testing.B, conn *Conn) {
	conn.Reads, conn.Writes = 0, 0
	b.Cleanup(func() {
		b.ReportMetric(float64(conn.Reads)/float64(b.N), "reads/op")
		b.ReportMetric(float64(conn.Writes)/float64(b.N), "writes/op")
	})
}

func BenchmarkHeaderParse(b *testing.B) {
	for _, h := range headers {
		b.Run(headerName(h), func(b *testing.B) {
			each(b, func(l Library) bool { return l.ParseHeader != nil }, func(b *testing.B, l Library) Job {
				return l.ParseHeader(ws.AppendHeader(nil, h), new(ws.Header))
			})
		})
	}
}

func BenchmarkHeaderAppend(b *testing.B) {
	for _, h := range headers {
		b.Run(headerName(h), func(b *testing.B) {
			each(b, func(l Library) bool { return l.AppendHeader != nil }, func(b *testing.B, l Library) Job {
				return l.AppendHeader(h, new([]byte))
			})
		})
	}
}

func BenchmarkHeaderRead(b *testing.B) {
	for _, h := range headers {
		b.Run(headerName(h), func(b *testing.B) {
			each(b, func(l Library) bool { return l.ReadHeader != nil }, func(b *testing.B, l Library) Job {
				conn := new(Conn)
				conn.Replay(ws.AppendHeader(nil, h), b.N, false)
				return l.ReadHeader(bufio.NewReader(conn), new(ws.Header))
			})
		})
	}
}

func BenchmarkHeaderWrite(b *testing.B) {
	for _, h := range headers {
		b.Run(headerName(h), func(b *testing.B) {
			each(b, func(l Library) bool { return l.WriteHeader != nil }, func(b *testing.B, l Library) Job {
				return l.WriteHeader(bufio.NewWriter(io.Discard), h)
			})
		})
	}
}

func BenchmarkHandshakeServer(b *testing.B) {
	upgrades := func(l Library) bool { return l.Upgrade != nil }
	for _, timeout := range deadlines {
		b.Run(fmt.Sprint("over=conn/deadline=", timeout), func(b *testing.B) {
			each(b, upgrades, func(b *testing.B, l Library) Job {
				conn := new(Conn)
				calls(b, conn)
				rw, rewind := arriving(conn, false)
				return l.Upgrade(rw, rewind, timeout)
			})
		})
	}
	b.Run("over=bufio", func(b *testing.B) {
		each(b, upgrades, func(b *testing.B, l Library) Job {
			conn := new(Conn)
			calls(b, conn)
			rw, rewind := arriving(conn, true)
			return l.Upgrade(rw, rewind, 0)
		})
	})
	for _, over := range []string{"tcp", "tls"} {
		for _, timeout := range deadlines {
			b.Run(fmt.Sprintf("over=%s/deadline=%v", over, timeout), func(b *testing.B) {
				each(b, func(l Library) bool { return upgrades(l) && l.Name != Limit.Name }, func(b *testing.B, l Library) Job {
					rw, rewind := arrivingOver(b, over == "tls")
					return l.Upgrade(rw, rewind, timeout)
				})
			})
		}
	}
}

// deadlines are the time limits of a handshake. Some libraries always have one,
// and some never.
var deadlines = []time.Duration{0, 10 * time.Second}

// eachAccepting is each for the libraries that accept with each deadline.
func eachAccepting(b *testing.B, prepare func(b *testing.B, accept func(http.ResponseWriter, *http.Request) (io.Closer, error)) Job) {
	for _, timeout := range deadlines {
		b.Run(fmt.Sprint("deadline=", timeout), func(b *testing.B) {
			each(b, func(l Library) bool { return l.Accept != nil && l.Accept(timeout) != nil },
				func(b *testing.B, l Library) Job { return prepare(b, l.Accept(timeout)) })
		})
	}
}

func BenchmarkHandshakeHTTP(b *testing.B) {
	r, err := httpRequest()
	if err != nil {
		b.Fatal(err)
	}
	eachAccepting(b, func(b *testing.B, accept func(http.ResponseWriter, *http.Request) (io.Closer, error)) Job {
		conn := new(Conn)
		calls(b, conn)
		w := NewResponseWriter(conn)
		return func(n int) error {
			for range n {
				w.Reset()
				if _, err := accept(w, r); err != nil {
					return err
				}
			}
			return nil
		}
	})
}

// BenchmarkHandshakeRequest is all that a request costs, with net/http: it
// accepts a connection, starts a goroutine and parses the request.
func BenchmarkHandshakeRequest(b *testing.B) {
	eachAccepting(b, func(b *testing.B, accept func(http.ResponseWriter, *http.Request) (io.Closer, error)) Job {
		job, end := serving(new(Conn), accept)
		b.Cleanup(func() { end() })
		return job
	})
}

func BenchmarkHandshakeClient(b *testing.B) {
	each(b, func(l Library) bool { return l.Dial != nil }, func(b *testing.B, l Library) Job {
		conn := new(Conn)
		calls(b, conn)
		return l.Dial(conn)
	})
}

func BenchmarkHandshakeDial(b *testing.B) {
	each(b, func(l Library) bool { return l.DialHTTP != nil }, func(b *testing.B, l Library) Job {
		conn := new(Conn)
		calls(b, conn)
		return l.DialHTTP(conn)
	})
}

func BenchmarkMessageRead(b *testing.B) {
	for _, t := range traffics {
		for _, arrival := range []string{"pipelined", "alone"} {
			for _, size := range sizes {
				b.Run(fmt.Sprintf("%s/arrival=%s/size=%d", t, arrival, size), func(b *testing.B) {
					frame := t.received(payload(size))
					each(b, func(l Library) bool { return l.Read != nil }, func(b *testing.B, l Library) Job {
						conn := new(Conn)
						job, err := l.Read(conn, t.side, buffer(size), func([]byte) {})
						if err != nil {
							b.Fatal(err)
						}
						b.SetBytes(int64(size))
						conn.Replay(frame, b.N, arrival == "alone")
						calls(b, conn)
						return job
					})
				})
			}
		}
	}
}

func BenchmarkMessageWrite(b *testing.B) {
	for _, t := range traffics {
		for _, size := range sizes {
			b.Run(fmt.Sprintf("%s/size=%d", t, size), func(b *testing.B) {
				p := payload(size)
				each(b, func(l Library) bool { return l.Write != nil }, func(b *testing.B, l Library) Job {
					conn := new(Conn)
					job, err := l.Write(conn, t.side, t.op, p)
					if err != nil {
						b.Fatal(err)
					}
					b.SetBytes(int64(size))
					calls(b, conn)
					return job
				})
			})
		}
	}
}

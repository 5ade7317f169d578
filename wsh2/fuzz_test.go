package wsh2

import (
	"bytes"
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// FuzzServer passes any server output to the client. The client must not panic,
// exceed its timeouts or limits, or leave a goroutine.
func FuzzServer(f *testing.F) {
	for _, seed := range fuzzSeeds() {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, p []byte, settled bool) {
		synctest.Test(t, func(t *testing.T) {
			tr, next := scripted(t, &Transport{StreamWindow: 1000})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			o := connect(ctx, tr)
			s := next()
			if settled {
				s.settle()
				synctest.Wait() // the request is sent
			}
			s.conn.SetWriteDeadline(time.Now().Add(time.Second))
			go s.conn.Write(p)
			if o.wait(); o.stream != nil {
				o.stream.SetReadDeadline(time.Now().Add(time.Second))
				o.stream.SetWriteDeadline(time.Now().Add(time.Second))
				synctest.Wait()
				checkBounds(t, tr)
				o.stream.Write(make([]byte, 100000))
				io.Copy(io.Discard, o.stream)
				o.stream.Close()
			} else if o.resp != nil {
				io.Copy(io.Discard, o.resp.Body)
				o.resp.Body.Close()
			}
			checkBounds(t, tr)
			tr.Close()
			s.conn.Close()
		})
	})
}

// checkBounds fails if a connection holds more than it may.
func checkBounds(t *testing.T, tr *Transport) {
	tr.each(func(c *conn) {
		if n := c.out.Len(); n > maxOut+maxAnswers+3*largestFrame {
			t.Errorf("%d bytes wait to be written", n)
		}
		if len(c.streams) > c.active {
			t.Errorf("%d streams, of which %d are counted", len(c.streams), c.active)
		}
		for _, s := range c.streams {
			if s.in != nil && len(s.in.B) > 2*tr.StreamWindow {
				t.Errorf("stream holds %d bytes", len(s.in.B))
			}
		}
	})
}

// fuzzSeeds are conversations of a server.
func fuzzSeeds() (seeds [][]byte) {
	var block bytes.Buffer
	fields := hpack.NewEncoder(&block)
	head := func(pairs ...string) []byte {
		block.Reset()
		for i := 0; i < len(pairs); i += 2 {
			fields.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
		}
		return bytes.Clone(block.Bytes())
	}
	headers := func(fr *http2.Framer, end bool, pairs ...string) {
		fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head(pairs...), EndHeaders: true, EndStream: end})
	}
	for _, talk := range []func(fr *http2.Framer){
		func(fr *http2.Framer) {
			fr.WriteSettings(http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1})
			headers(fr, false, ":status", "200", "sec-websocket-protocol", "a")
			fr.WriteData(1, false, []byte("\x81\x02hi"))
			fr.WriteDataPadded(1, true, []byte("x"), make([]byte, 10))
		},
		func(fr *http2.Framer) {
			headers(fr, false, ":status", "103")
			headers(fr, false, ":status", "200")
			fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1}, http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20})
			fr.WriteWindowUpdate(1, 100000)
			fr.WriteWindowUpdate(0, 100000)
			fr.WritePing(false, [8]byte{1})
			headers(fr, true, "trailer", "x")
			fr.WriteRSTStream(1, http2.ErrCodeNo)
		},
		func(fr *http2.Framer) {
			headers(fr, false, ":status", "403")
			fr.WriteData(1, false, []byte("not you"))
			fr.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, []byte("bye"))
		},
		func(fr *http2.Framer) {
			fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head(":status", "200")})
			fr.WriteContinuation(1, true, head("x", "y"))
			fr.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, EndHeaders: true})
		},
	} {
		var out bytes.Buffer
		fr := http2.NewFramer(&out, nil)
		fr.AllowIllegalWrites = true
		talk(fr)
		seeds = append(seeds, out.Bytes())
	}
	return append(seeds, []byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
}

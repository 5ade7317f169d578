//go:build cgozlib && cgo

package bench

/*
#cgo LDFLAGS: -lz
#include <stdlib.h>
#include <zlib.h>

static z_stream *deflater(int level) {
	z_stream *z = calloc(1, sizeof(z_stream));
	return deflateInit2(z, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK ? z : NULL;
}

static z_stream *inflater(void) {
	z_stream *z = calloc(1, sizeof(z_stream));
	return inflateInit2(z, -15) == Z_OK ? z : NULL;
}

static long compress_message(z_stream *z, int reset, unsigned char *in, size_t n, unsigned char *out, size_t room) {
	if (reset && deflateReset(z) != Z_OK) return -1;
	z->next_in = in, z->avail_in = n, z->next_out = out, z->avail_out = room;
	if (deflate(z, Z_SYNC_FLUSH) != Z_OK || z->avail_in != 0 || z->avail_out == 0) return -1;
	return room - z->avail_out;
}

static long decompress_message(z_stream *z, int reset, unsigned char *in, size_t n, unsigned char *out, size_t room) {
	static unsigned char tail[4] = {0, 0, 0xff, 0xff};
	if (reset && inflateReset(z) != Z_OK) return -1;
	z->next_in = in, z->avail_in = n, z->next_out = out, z->avail_out = room;
	int err = inflate(z, Z_SYNC_FLUSH);
	if (err != Z_OK && err != Z_BUF_ERROR) return -1;
	z->next_in = tail, z->avail_in = 4;
	err = inflate(z, Z_SYNC_FLUSH);
	if ((err != Z_OK && err != Z_BUF_ERROR) || z->avail_in != 0) return -1;
	return room - z->avail_out;
}
*/
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"unsafe"
)

// zlibEngines are zlib, through cgo: one call for each message.
var zlibEngines = []Flate{zlibEngine(1), zlibEngine(6)}

var errZlib = errors.New("bench: zlib")

func zlibEngine(level int) Flate {
	f := Flate{
		Name:     fmt.Sprint("zlib-", level),
		JSON:     level > 1,
		Contexts: bothContexts,
		Compress: func(conn *Conn, takeover bool, messages [][]byte) (Job, error) {
			z := C.deflater(C.int(level))
			out := make([]byte, len(messages[0])*11/10+1024)
			return inTurn(messages, func(p []byte) error {
				n := C.compress_message(z, flag(!takeover), first(p), C.size_t(len(p)), first(out), C.size_t(len(out)))
				if n < 0 {
					return errZlib
				}
				_, err := conn.Write(bytes.TrimSuffix(out[:n], deflateTail))
				return err
			}), nil
		},
	}
	if level == 1 {
		f.Decompress = zlibDecompress
	}
	return f
}

func zlibDecompress(_ *Conn, takeover bool, payloads [][]byte, size int, every func([]byte)) (Job, error) {
	z := C.inflater()
	out := make([]byte, size+512)
	return inTurn(payloads, func(p []byte) error {
		n := C.decompress_message(z, flag(!takeover), first(p), C.size_t(len(p)), first(out), C.size_t(len(out)))
		if n < 0 {
			return errZlib
		}
		every(out[:n])
		return nil
	}), nil
}

func first(p []byte) *C.uchar { return (*C.uchar)(unsafe.SliceData(p)) }

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

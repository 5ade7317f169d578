package wsflate

import "github.com/wskit/wskit/ws"

// This file has names that programs use which come from github.com/gobwas/ws. New
// programs use a Helper of their own, or a Sender and a Receiver, which give a
// wsutil.Protocol its compression.

// DefaultHelper is what the functions CompressFrame and DecompressFrame use.
var DefaultHelper Helper

// CompressFrame is [Helper.CompressFrame] of [DefaultHelper].
func CompressFrame(f ws.Frame) (ws.Frame, error) { return DefaultHelper.CompressFrame(f) }

// CompressFrameBuffer is [Helper.CompressFrameBuffer] of [DefaultHelper].
func CompressFrameBuffer(buf Buffer, f ws.Frame) (ws.Frame, error) {
	return DefaultHelper.CompressFrameBuffer(buf, f)
}

// DecompressFrame is [Helper.DecompressFrame] of [DefaultHelper].
func DecompressFrame(f ws.Frame) (ws.Frame, error) { return DefaultHelper.DecompressFrame(f) }

// DecompressFrameBuffer is [Helper.DecompressFrameBuffer] of [DefaultHelper].
func DecompressFrameBuffer(buf Buffer, f ws.Frame) (ws.Frame, error) {
	return DefaultHelper.DecompressFrameBuffer(buf, f)
}

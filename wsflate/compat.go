package wsflate

import "github.com/wskit/wskit/ws"

// This file has names for programs that come from github.com/gobwas/ws. New
// programs use a Helper of their own, or a Sender and a Receiver with a
// wsutil.Protocol.

// DefaultHelper is the Helper of the functions CompressFrame and
// DecompressFrame.
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

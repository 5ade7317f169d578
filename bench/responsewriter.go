package bench

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
)

// ResponseWriter is an http.ResponseWriter whose Hijack returns a Conn. It has
// buffers like net/http.
type ResponseWriter struct {
	conn   *Conn
	header http.Header
	rw     *bufio.ReadWriter
}

// NewResponseWriter returns a ResponseWriter over conn.
func NewResponseWriter(conn *Conn) *ResponseWriter {
	return &ResponseWriter{
		conn:   conn,
		header: make(http.Header),
		rw:     bufio.NewReadWriter(bufio.NewReaderSize(conn, readBuffer), bufio.NewWriter(conn)),
	}
}

// Reset makes w ready for the next request.
func (w *ResponseWriter) Reset() {
	clear(w.header)
	w.rw.Reader.Reset(w.conn)
	w.rw.Writer.Reset(w.conn)
}

// Header returns the fields to send.
func (w *ResponseWriter) Header() http.Header { return w.header }

// Write writes a part of the body.
func (w *ResponseWriter) Write(p []byte) (int, error) { return w.rw.Write(p) }

// WriteHeader writes the head of the response into the buffer.
func (w *ResponseWriter) WriteHeader(status int) {
	fmt.Fprintf(w.rw, "HTTP/1.1 %03d %s\r\n", status, http.StatusText(status))
	w.header.Write(w.rw)
	w.rw.WriteString("\r\n")
}

// Hijack returns the connection after flushing written data.
func (w *ResponseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.conn, w.rw, w.rw.Flush()
}

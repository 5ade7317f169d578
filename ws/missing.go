package ws

import "bytes"

// missingBytes computes the minimum number of bytes that are missing from a
// partly read request, if it is valid. These are the rest of the current line,
// the required fields, and the empty line at the end. That many bytes can be
// read without reading past the end of the request.
type missingBytes struct {
	line     int  // start of the incomplete line
	searched int  // bytes that were searched for its end
	begun    bool // the request line is complete
	ended    bool // the empty line is complete, or a line that makes the request malformed
	seen     [len(requiredSizes)]bool
	missing  int // the sizes of the required fields that have not been seen
}

// requiredSizes are the sizes of the shortest lines that pass the checks, by
// field.
var requiredSizes = [...]int{
	fieldHost:       len("Host:x\r\n"),
	fieldUpgrade:    len("Upgrade:websocket\r\n"),
	fieldConnection: len("Connection:Upgrade\r\n"),
	fieldKey:        len("Sec-WebSocket-Key:\r\n") + keySize,
	fieldVersion:    len("Sec-WebSocket-Version:13\r\n"),
}

const leastRequestLine = len("GET / HTTP/1.1\r\n")

func newMissingBytes() (o missingBytes) {
	for _, size := range requiredSizes {
		o.missing += size
	}
	return o
}

// least returns the minimum number of bytes that are missing after p, the part
// of the request that was read. It returns 0 if the request is complete or
// malformed. Calls with a growing p take linear time in total.
func (o *missingBytes) least(p []byte) int {
	for !o.ended {
		i := bytes.IndexByte(p[o.searched:], '\n')
		if i < 0 {
			o.searched = len(p)
			break
		}
		o.searched += i + 1
		o.complete(p[o.line:o.searched])
		o.line = o.searched
	}
	line := p[o.line:]
	switch {
	case o.ended:
		return 0
	case !o.begun:
		return max(leastRequestLine-len(line), 1) + o.missing + len("\r\n")
	case len(line) == 0:
		return o.missing + len("\r\n")
	case line[0] == '\r':
		return 1 // the empty line at the end
	}
	return o.fields(line) + len("\r\n")
}

// fields returns the minimum number of bytes that are missing from the current
// field line and the required fields.
func (o *missingBytes) fields(line []byte) int {
	rest := len("\r\n")
	if line[len(line)-1] == '\r' {
		rest = len("\n")
	}
	if o.missing == 0 {
		return rest
	}
	if f, named := lineField(line); named {
		if o.required(f) {
			return max(rest, requiredSizes[f]-len(line)) + o.missing - requiredSizes[f]
		}
		return rest + o.missing
	}
	may := 0 // the size of the field that the line may become
	for f, size := range requiredSizes {
		name := fieldNames[f]
		if !o.seen[f] && len(line) <= len(name) && bytes.EqualFold(line, []byte(name[:len(line)])) {
			may += size
		}
	}
	return rest + o.missing - may
}

// complete records a complete line.
func (o *missingBytes) complete(line []byte) {
	switch {
	case !bytes.HasSuffix(line, []byte("\r\n")):
		o.ended = true
	case !o.begun:
		o.begun = len(line) > len("\r\n") || o.line > 0 // one empty line may come before
	case len(line) == len("\r\n"):
		o.ended = true
	default:
		if f, _ := lineField(line); o.required(f) {
			o.seen[f] = true
			o.missing -= requiredSizes[f]
		}
	}
}

// required reports whether f is required and has not been seen.
func (o *missingBytes) required(f handshakeField) bool {
	return int(f) < len(o.seen) && !o.seen[f]
}

// lineField returns the field whose name and colon begin the line. named says
// whether the line is long enough to decide that.
func lineField(line []byte) (f handshakeField, named bool) {
	if len(line) > len(fieldBySize) {
		line = line[:len(fieldBySize)] // no name is longer
	}
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return handshakeFields, len(line) == len(fieldBySize)
	}
	return fieldOf(line[:colon]), true
}

package ws

import "bytes"

// outstanding tells how many bytes a request must still bring at the least, if
// it is in order, from what has been read of it: its line, the fields without which
// it is refused, and the empty line at its end. So many bytes can be read
// from a connection without taking one that stands behind the request.
type outstanding struct {
	line     int  // where the line begins that is not complete yet
	searched int  // up to where its end has been looked for
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

func newOutstanding() (o outstanding) {
	for _, size := range requiredSizes {
		o.missing += size
	}
	return o
}

// least returns how many bytes p, the request as far as it has been read, still
// lacks at the least: 0 if it lacks none, for it is whole, or malformed already.
// Calls with a p that grows cost linear time.
func (o *outstanding) least(p []byte) int {
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

// fields returns what the field line that is under way, and the required ones that
// have not been seen, lack at the least.
func (o *outstanding) fields(line []byte) int {
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
	may := 0 // what the line may become is counted neither way
	for f, size := range requiredSizes {
		name := fieldNames[f]
		if !o.seen[f] && len(line) <= len(name) && bytes.EqualFold(line, []byte(name[:len(line)])) {
			may += size
		}
	}
	return rest + o.missing - may
}

// complete takes note of a line that ends.
func (o *outstanding) complete(line []byte) {
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
func (o *outstanding) required(f handshakeField) bool {
	return int(f) < len(o.seen) && !o.seen[f]
}

// lineField returns the field whose name and colon begin the line, and whether as
// much of the line is there as decides it.
func lineField(line []byte) (f handshakeField, named bool) {
	if len(line) > len(fieldBySize) {
		line = line[:len(fieldBySize)] // a longer name is none of these
	}
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return handshakeFields, len(line) == len(fieldBySize)
	}
	return fieldOf(line[:colon]), true
}

// Package httphead reads and writes the head of an HTTP/1.1 message: the start
// line and the fields in front of an empty line (RFC 9112). It is made for
// protocols that begin as HTTP and then leave it, as WebSocket does, and for
// anyone who parses a head on a connection of their own.
//
// # Reading
//
// [Request] and [Response] are parsed from bytes with Parse, or read from a
// [bufio.Reader] with Read, which takes the head and not a byte behind it. What
// they hold are views into those bytes: nothing is copied, and a value that is
// used again allocates nothing. Copy what has to live longer.
//
// A program that reads a connection by itself appends what arrives to a buffer,
// asks [End] whether the head is whole (each byte is looked at once, however the
// head was cut), and calls Parse.
//
// # What is refused
//
// Two parties that read one head in two ways are how requests get smuggled, and
// so there is one reading here. A line ends in CRLF; a bare LF, a bare CR, a
// folded line, a control byte, white space around a field name, an empty name
// and a second Host are faults. A request has no body: Transfer-Encoding, and
// any Content-Length but 0, are faults. (RFC 9112, section 2.2, allows to read a
// bare LF as the end of a line, and section 5.2 to unfold; this package does
// neither.) One empty line in front of a request is passed over, as section 2.2
// asks for.
//
// A request of HTTP/1.0, one without Host, and any method are well formed; it is
// for the caller to want more.
//
// A fault is an [*Error]. It carries the status that a server answers with and
// the section of the RFC that was broken, is one of the values of this package,
// and is found with errors.Is. [io.ErrUnexpectedEOF] is no fault: the bytes are
// the first part of a head.
//
// # Limits
//
// [Limits] bounds the bytes of a head and the number of its fields; the zero
// value stands for [DefaultMaxBytes] and [DefaultMaxFields]. [OptionLimits] bounds
// a list of options. Work and memory are linear in the bytes that arrived, for
// every input.
//
// # Values
//
// [Fields] offers what the fields of one name say: [Fields.Value] the first,
// [Fields.Values] each, [Fields.Tokens] and [Fields.Options] the members of all
// of them as one list (RFC 9110, section 5.3), [Fields.Cookies] the cookies. The
// types [Option] and [Parameters] and the grammar of tokens and cookies are
// those of github.com/gobwas/httphead; around them stand quoted strings with
// escapes, tabs, and the rule that two members have a comma between them.
//
// # Writing
//
// The Append functions write a head line by line. What would break out of its
// line is an error, never cleaned and never split; the error is then one of
// [ErrInvalidName], [ErrInvalidValue], [ErrInvalidTarget] and
// [ErrInvalidStatus], for it is the caller's fault and not the peer's.
//
// Nothing here may be called concurrently on one value, but for the methods of
// [Fields], which only read.
package httphead

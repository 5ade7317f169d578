// Package httphead reads and writes the head of an HTTP/1.1 message: the start
// line and the fields before the empty line (RFC 9112). It is for protocols
// that begin as HTTP and then change, such as WebSocket, and for programs that
// parse heads on their own connections.
//
// # Reading
//
// [Request] and [Response] are parsed from bytes with Parse, or read from a
// [bufio.Reader] with Read, which consumes only the head. Their contents are
// views into those bytes: nothing is copied, and reusing a value does not
// allocate. Copy what must live longer.
//
// A program that reads a connection itself appends incoming bytes to a buffer,
// calls [End] to find out whether the head is complete, and then calls Parse.
// End inspects each byte once, even if the head arrives in many pieces.
//
// # What is refused
//
// Request smuggling is possible if two parties parse the same head differently.
// This package therefore accepts only one form. A line ends in CRLF. A bare LF,
// a bare CR, a folded line, a control byte, white space around a field name, an
// empty name and a second Host are errors. A request has no body, so
// Transfer-Encoding and a Content-Length other than 0 are errors. (RFC 9112
// permits a parser to accept a bare LF in section 2.2, and to unfold lines in
// section 5.2; this package does neither.) One empty line before a request is
// skipped, as section 2.2 requires.
//
// HTTP/1.0, a missing Host, and unknown methods are accepted; the caller may
// require more.
//
// The error for an invalid head is an [*Error]. It has the status for a
// server's response and the section of the RFC that the head violates. Each of
// these errors is a variable of this package: use errors.Is.
// [io.ErrUnexpectedEOF] means that the bytes are an incomplete head.
//
// # Limits
//
// [Limits] limits the size of a head and the number of its fields. The zero
// value means [DefaultMaxBytes] and [DefaultMaxFields]. [OptionLimits] limits a
// list of options. Time and memory are linear in the number of bytes received,
// for every input.
//
// # Values
//
// [Fields] looks up values by the name of a field. [Fields.Value] returns the
// first value, and [Fields.Values] yields each one. [Fields.Tokens] and
// [Fields.Options] parse all values of a name as one list (RFC 9110, section
// 5.3). [Fields.Cookies] yields the cookies. The types [Option] and
// [Parameters] and the grammar of tokens and cookies are those of
// github.com/gobwas/httphead. This package also accepts tabs and quoted strings
// with escapes, and it requires a comma between members.
//
// # Writing
//
// The Append functions write a head line by line. They return an error for an
// argument that would break its line. These errors are [ErrInvalidName],
// [ErrInvalidValue], [ErrInvalidTarget] and [ErrInvalidStatus]. They are not of
// type *Error, because they are faults of the caller.
//
// No type is safe for concurrent use, except that the methods of [Fields] may
// be called concurrently.
package httphead

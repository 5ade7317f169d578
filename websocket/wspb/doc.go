// Package wspb reads and writes messages that are protocol buffers, one message each.
// It is a module of its own: who does not import it does not depend on protobuf.
package wspb

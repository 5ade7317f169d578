// Package wspb reads and writes protocol buffers, one in each message. It is a
// separate module so that other users do not depend on protobuf.
package wspb

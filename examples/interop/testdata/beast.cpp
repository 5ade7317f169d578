// A client and a server on Boost.Beast, with compression windows of 9 bits.
//
//     beast server
//     beast client HOST PORT PATH
//
// The server echoes on one connection after the other and prints the port it
// listens on, and how each connection ended. The client sends messages, prints
// a line for each that comes back as it was, and closes.
#include <boost/asio.hpp>
#include <boost/beast.hpp>
#include <iostream>
#include <string>

namespace beast = boost::beast;
namespace websocket = beast::websocket;
using tcp = boost::asio::ip::tcp;
using stream = websocket::stream<tcp::socket>;

static void compress(stream &ws) {
	websocket::permessage_deflate deflate;
	deflate.server_enable = deflate.client_enable = true;
	deflate.server_max_window_bits = deflate.client_max_window_bits = 9;
	ws.set_option(deflate);
	ws.read_message_max(32 << 20);
}

static void serve(boost::asio::io_context &io) {
	tcp::acceptor acceptor(io, {boost::asio::ip::make_address("127.0.0.1"), 0});
	std::cout << "listening " << acceptor.local_endpoint().port() << std::endl;
	for (;;) {
		stream ws(acceptor.accept());
		beast::error_code error;
		compress(ws);
		ws.accept(error);
		while (!error) {
			beast::flat_buffer buffer;
			ws.read(buffer, error);
			if (!error) {
				ws.text(ws.got_text());
				ws.write(buffer.data(), error);
			}
		}
		if (error != websocket::error::closed)
			std::cout << error.message() << std::endl;
		else
			std::cout << "closed " << ws.reason().code << " " << ws.reason().reason << std::endl;
	}
}

static void talk(boost::asio::io_context &io, std::string host, std::string port, std::string path) {
	tcp::resolver resolver(io);
	stream ws(io);
	boost::asio::connect(ws.next_layer(), resolver.resolve(host, port));
	compress(ws);
	websocket::response_type response;
	ws.handshake(response, host + ":" + port, path);
	std::cout << response["Sec-WebSocket-Extensions"] << std::endl;
	for (int size : {0, 125, 126, 65536, 1 << 20}) {
		std::string sent, got;
		while (int(sent.size()) < size)
			sent += "message " + std::to_string(sent.size() * 7919 % 1000) + ", ";
		sent.resize(size);
		ws.text(true);
		ws.write(boost::asio::buffer(sent));
		auto buffer = boost::asio::dynamic_buffer(got);
		ws.read(buffer);
		std::cout << (sent == got ? "same " : "different ") << size << std::endl;
	}
	beast::error_code error;
	ws.close({websocket::close_code::normal, "bye"}, error);
	std::cout << (error ? error.message() : "closed") << std::endl;
}

int main(int argc, char **argv) {
	boost::asio::io_context io;
	try {
		if (argc == 2)
			serve(io);
		else
			talk(io, argv[2], argv[3], argv[4]);
	} catch (std::exception const &e) {
		std::cerr << e.what() << std::endl;
		return 1;
	}
}

// Asio's own functions, for all who include its headers.

#include <boost/asio/impl/src.hpp>

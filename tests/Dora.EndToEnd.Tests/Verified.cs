using System.Net.Security;
using Npgsql;

namespace Dora.EndToEnd.Tests;

/// <summary>A driver that speaks to whom it should and to nobody else, where it is told whom.</summary>
internal static class Verified
{
    public static NpgsqlDataSource Source(string connection, Action<SslClientAuthenticationOptions>? expect)
    {
        var builder = new NpgsqlDataSourceBuilder(connection);
        if (expect is not null)
            builder.UseSslClientAuthenticationOptionsCallback(expect);
        return builder.Build();
    }
}

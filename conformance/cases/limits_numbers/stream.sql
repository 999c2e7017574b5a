insert into n values (2, -(repeat('9', 131072) || '.' || repeat('1', 16383))::numeric, ('0.' || repeat('0', 499) || '1')::numeric, '-1.4e-45', '4.9e-324', -9223372036854775808, '-92233720368547758.08');
insert into n values (3, 1e-16383, 0, '1e-37', '-2.2250738585072014e-308', 0, '-0.01');
insert into n values (4, 1e131071, 1, 'NaN', '-Infinity', 1, '0');
